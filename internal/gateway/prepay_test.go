package gateway_test

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloudpay/internal/channel"
	"cloudpay/internal/gateway"
	"cloudpay/internal/pay"
)

// scan is a request for a code to show.
func (h *house) scan(ch pay.Channel) gateway.Prepay {
	return gateway.Prepay{
		OutTradeNo: h.number(), TradeType: pay.TradeScanCode, Platform: ch.Platform(), Total: 100,
		ShopID: "shop", DeviceID: "till-1", Body: "bread", ClientIP: "127.0.0.1",
	}
}

func TestPrepayRefusesWhatNoWalletCouldTake(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := newHouse(t, options{channels: wrap(wrapped{prepay: func(channel.PrepayRequest) channel.PrepayOutcome {
			asked++
			return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Unknown, Lost: true}}
		}})})
		kind := func(k pay.TradeType) func(*gateway.Prepay) {
			return func(in *gateway.Prepay) { in.TradeType = k }
		}
		for _, c := range []struct {
			name, code string
			change     func(*gateway.Prepay)
		}{
			{"no amount", "amount_not_positive", func(in *gateway.Prepay) { in.Total = 0 }},
			{"currency", "currency", func(in *gateway.Prepay) { in.Currency = "USD" }},
			{"prefix", "prefix", func(in *gateway.Prepay) { in.OutTradeNo = "80000001x" }},
			{"platform", "platform", func(in *gateway.Prepay) { in.Platform = 0 }},
			{"other platform", "platform", func(in *gateway.Prepay) { in.Platform = 3 }},
			{"shop", "shop", func(in *gateway.Prepay) { in.ShopID = "x" }},
			{"device", "device", func(in *gateway.Prepay) { in.DeviceID = "x" }},
			{"past expiry", "time_expire", func(in *gateway.Prepay) { in.ExpireAt = time.Now() }},
			{"shared money", "royalty_info", func(in *gateway.Prepay) { in.RoyaltyInfo = "{}" }},
			{"code payment", "trade_type", kind(pay.TradeMicroPay)},
			{"sound wave", "trade_type", kind(5)},
			{"one code", "trade_type", kind(pay.TradeOneCode)},
			{"no openid", "open_id", kind(pay.TradeOfficialAccount)},
			{"no user id", "user_id", func(in *gateway.Prepay) { in.TradeType, in.Platform = pay.TradeOfficialAccount, 2 }},
			{"no payer", "open_id", kind(pay.TradeMiniProgram)},
			{"alipay mini program", "platform", func(in *gateway.Prepay) { in.TradeType, in.Platform = pay.TradeMiniProgram, 2 }},
			{"no mobile app", "mob_app_id", kind(pay.TradeApp)},
			{"no scene", "scene_info", kind(pay.TradeMobileWeb)},
		} {
			in := h.scan(pay.Wxpay)
			c.change(&in)
			_, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
			if e, ok := errors.AsType[*pay.Error](err); !ok || e.Code != c.code || errors.Is(err, pay.ErrUnavailable) {
				t.Errorf("%s: %v, want %s", c.name, err, c.code)
			}
			if _, err := h.store.Order(t.Context(), "merchant", in.OutTradeNo); !errors.Is(err, pay.ErrNotFound) {
				t.Errorf("%s: a refused request left an order", c.name)
			}
		}
		if asked != 0 {
			t.Errorf("the wallet was asked %d times", asked)
		}
	})
}

// TestPrepayOfAnUnansweredOrderIsRepeated: the first answer is lost, the
// repetition gets one, and further ones are answered from the order.
func TestPrepayOfAnUnansweredOrderIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []channel.PrepayRequest
		h := newHouse(t, options{channels: wrap(wrapped{prepay: func(r channel.PrepayRequest) channel.PrepayOutcome {
			mu.Lock()
			defer mu.Unlock()
			if asked = append(asked, r); len(asked) == 1 {
				return channel.PrepayOutcome{Outcome: pay.Outcome{Kind: pay.Unknown, Lost: true}}
			}
			return channel.PrepayOutcome{
				Outcome: pay.Outcome{Kind: pay.Paid, Verified: true, Code: "SUCCESS"},
				Prepaid: pay.Prepaid{CodeURL: "weixin://pay\x00/1", PrepayID: "wx1"},
			}
		}})})
		in := h.scan(pay.Wxpay)
		in.ExpireAt = time.Now().Add(10 * time.Minute)
		if _, _, err := h.gw.Prepay(t.Context(), h.merchant, in); !errors.Is(err, pay.ErrUnavailable) {
			t.Fatalf("a lost answer is %v, want unknown", err)
		}
		<-time.After(3 * time.Second)
		for range 3 {
			o, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
			if err != nil || o.Prepaid.CodeURL != "weixin://pay/1" || o.State != pay.PAYING || o.Prepaid.PrepayID != "wx1" {
				t.Fatalf("%+v, %v", o, err)
			}
		}
		if len(asked) != 2 {
			t.Fatalf("the wallet was asked %d times, want 2", len(asked))
		}
		first, second := asked[0], asked[1]
		if !reflect.DeepEqual(first, second) {
			t.Errorf("the repetition differs: %+v, %+v", first, second)
		}
		o := h.order(in.OutTradeNo)
		if !first.Expire.Equal(o.ExpireAt) || !first.Start.Equal(o.SentAt) || o.ExpireAt.Unix() != in.ExpireAt.Unix() || first.ProductID == "" {
			t.Errorf("asked %+v for %+v", first, o)
		}
		for name, change := range map[string]func(*gateway.Prepay){
			"amount": func(in *gateway.Prepay) { in.Total++ },
			"shop":   func(in *gateway.Prepay) { in.DeviceID = "till-2" },
			"payer":  func(in *gateway.Prepay) { in.SubOpenID = "somebody" },
			"wallet": func(in *gateway.Prepay) { in.Platform = 2 },
			"type": func(in *gateway.Prepay) {
				in.TradeType, in.SceneInfo = pay.TradeMobileWeb, "{}"
			},
		} {
			other := in
			change(&other)
			if _, _, err := h.gw.Prepay(t.Context(), h.merchant, other); !errors.Is(err, pay.ErrConflict) {
				t.Errorf("another %s under the number: %v, want 407", name, err)
			}
		}
	})
}

func TestRefusedPrepayEndsTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		h := newHouse(t, options{channels: wrap(wrapped{prepay: func(channel.PrepayRequest) channel.PrepayOutcome {
			asked++
			return channel.PrepayOutcome{Outcome: pay.Outcome{
				Kind: pay.Declined, Verified: true, Code: "NOAUTH", Text: "商户无此接口权限", Reason: pay.ReasonConfiguration,
			}}
		}})})
		in := h.scan(pay.Wxpay)
		for range 2 {
			_, _, err := h.gw.Prepay(t.Context(), h.merchant, in)
			if e, ok := errors.AsType[*pay.Error](err); !ok || !errors.Is(err, pay.ErrDead) || e.Text != "商户无此接口权限" {
				t.Errorf("answered %v", err)
			}
		}
		if o := h.order(in.OutTradeNo); o.State != pay.DECLINED || asked != 1 {
			t.Errorf("%s after %d calls", o.State, asked)
		}
	})
}
