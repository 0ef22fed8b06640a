package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/directory"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
	"cloudpay/internal/secret"
)

// darkWallet answers nothing while it is dark, after the time that a call takes
// to be given up; then everything was paid. It counts what it is asked.
type darkWallet struct {
	channel.Channel

	mu    sync.Mutex
	dark  map[string]bool // by sub-merchant
	calls map[string]int
	asked []string // order numbers that were asked for once it answered again
}

func (w *darkWallet) call(ctx context.Context, r channel.OrderRequest, query bool) pay.Outcome {
	w.mu.Lock()
	dark := w.dark[r.Merchant.SubMchID]
	w.calls[r.Merchant.SubMchID]++
	if query && !dark {
		w.asked = append(w.asked, r.OutTradeNo)
	}
	w.mu.Unlock()
	if dark {
		select {
		case <-ctx.Done():
		case <-time.After(9 * time.Second):
		}
		return channel.ErrTimeout.Outcome()
	}
	<-time.After(100 * time.Millisecond)
	return pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS", Payment: pay.Payment{TransactionID: "4200" + r.OutTradeNo, Total: r.Total}}
}

func (w *darkWallet) Pay(ctx context.Context, r channel.PayRequest) pay.Outcome {
	if r.Merchant.SubMchID == "another" {
		return channel.ErrCut.Outcome()
	}
	return w.call(ctx, r.OrderRequest, false)
}

func (w *darkWallet) Query(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	return w.call(ctx, r, true)
}

func (w *darkWallet) Reverse(ctx context.Context, r channel.OrderRequest) pay.Outcome {
	return w.call(ctx, r, false)
}

// another is a second merchant of the house's provider.
func (h *house) another(t *testing.T) *directory.Merchant {
	t.Helper()
	m, err := h.people.CreateMerchant(t.Context(), directory.System, directory.Merchant{
		ID: "other", ProviderID: "provider", Name: "Other Merchant", Prefixes: []string{"90000002"}, Wx: directory.WechatMerchant{SubMchID: "another"},
		Shops: []directory.Shop{{ID: "other-shop", Name: "shop"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// count is how often the wallet was called for a sub-merchant.
func (w *darkWallet) count(sub string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[sub]
}

// TestAnOutageOfAnHourHurtsNobodyElseAndDrainsInTime: one merchant's wallet is
// dark for an hour while 2,000 payments are made there. Another merchant at the
// same wallet is asked for as ever, the dark one is not hammered, and all is
// final within P7's fifteen minutes, the oldest first.
func TestAnOutageOfAnHourHurtsNobodyElseAndDrainsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const payments, outage = 2000, time.Hour
		w := &darkWallet{dark: map[string]bool{}, calls: map[string]int{}}
		h := newHouse(t, options{idle: 5 * time.Second, profiles: changed(func(p *pay.Profile) { p.NeverByItself = true }), channels: func(find gateway.Channels) gateway.Channels {
			return func(ctx context.Context, provider string, ch pay.Channel) (channel.Channel, error) {
				beneath, err := find(ctx, provider, ch)
				w.mu.Lock()
				w.Channel = beneath
				w.mu.Unlock()
				return w, err
			}
		}})
		other := h.another(t)
		w.dark[h.merchant.Wx.SubMchID] = true
		sell := func(i int) string {
			no := h.number()
			go func() {
				_, _ = h.gw.MicroPay(t.Context(), h.merchant, gateway.MicroPay{
					OutTradeNo: no, AuthCode: secret.New(fmt.Sprintf("13%016d", i)), Total: 100, ShopID: "shop",
				})
			}()
			return no
		}
		numbers := make([]string, 0, payments)
		for i := range payments {
			numbers = append(numbers, sell(i))
			if i%40 == 0 { // whose answer is lost once, and who is asked for at once
				begins := time.Now()
				o, err := h.gw.MicroPay(t.Context(), other, gateway.MicroPay{
					OutTradeNo: fmt.Sprintf("90000002%016d", i), AuthCode: secret.New(fmt.Sprintf("13%016d", payments+i)), Total: 100, ShopID: "other-shop",
				})
				for err == nil && !o.State.Final() && time.Since(begins) < 10*time.Second {
					<-time.After(100 * time.Millisecond)
					o, err = h.store.Order(t.Context(), other.ID, o.OutTradeNo)
				}
				if took := time.Since(begins); err != nil || o.State != pay.PAID || took > 2*time.Second {
					t.Errorf("another merchant's payment is %s after %v: %v", o.State, took, err)
				}
			}
			<-time.After(outage / payments)
		}
		calls := w.count(h.merchant.Wx.SubMchID)
		if most := payments*3 + int(outage/(5*time.Second)); calls > most {
			t.Errorf("%d calls of a wallet that is dark, want at most %d", calls, most)
		}
		silent := h.gw.Silent()
		if len(silent) != 1 || silent[0].MerchantID != "merchant" || silent[0].Channel != pay.Wxpay || silent[0].Failures < 100 {
			t.Errorf("silent: %+v", silent)
		}
		began := time.Now()
		w.mu.Lock()
		w.dark[h.merchant.Wx.SubMchID] = false
		w.mu.Unlock()
		last := began
		for _, no := range numbers {
			h.until(no, 15*time.Minute-time.Since(began), func(o pay.Order) bool { return o.State == pay.PAID })
			last = time.Now()
		}
		w.mu.Lock()
		first := w.asked[:0:0]
		for _, no := range w.asked {
			if strings.HasPrefix(no, "90000001") && len(first) < payments/4 {
				first = append(first, no)
			}
		}
		w.mu.Unlock()
		old := 0
		for _, no := range first {
			if slices.Index(numbers, no) < payments/2 {
				old++
			}
		}
		if old < len(first)*9/10 {
			t.Errorf("of the first quarter that was asked for, %d of %d are of the older half", old, len(first))
		}
		if len(h.gw.Silent()) != 0 {
			t.Errorf("still silent: %+v", h.gw.Silent())
		}
		t.Logf("%d calls while it was dark; all %d final %v after it answered again", calls, payments, last.Sub(began))
	})
}
