package manage

import (
	"context"
	"net/http"
	"time"

	"cloudpay/internal/directory"
	"cloudpay/internal/ledger"
	"cloudpay/internal/pay"
)

// LedgerBalance is what stood on a merchant's accounts at a moment.
type LedgerBalance struct {
	MerchantID string          `json:"out_sub_mch_id"`
	Before     time.Time       `json:"before" doc:"计入此时刻之前的记账（不含此时刻）"`
	Balanced   bool            `json:"balanced" doc:"每个渠道的合计都为 0；否则账务有误"`
	Channels   []LedgerChannel `json:"channels" doc:"各渠道；从未记账的没有"`
}

// LedgerChannel is the trial balance of one channel.
type LedgerChannel struct {
	Channel  string          `json:"channel" doc:"wxpay 或 alipay"`
	Sum      int64           `json:"sum" doc:"借方减贷方，分，应为 0"`
	Accounts []LedgerAccount `json:"accounts" doc:"各科目；从未记账的没有"`
}

// LedgerAccount is what stands on one account.
type LedgerAccount struct {
	Account string `json:"account" doc:"科目：R、M、D、F、P、S、H、B、O"`
	Name    string `json:"name" doc:"科目名称"`
	Debit   int64  `json:"debit" doc:"借方余额，分"`
	Credit  int64  `json:"credit" doc:"贷方余额，分"`
}

type ledgerBalanceInput struct {
	MerchantPath
	At      time.Time `query:"at" doc:"某一时刻，如 2026-11-26T00:00:00+08:00；默认现在，将来的时刻按现在计"`
	Channel string    `query:"channel" enum:"wxpay,alipay"`
}

func (s *Server) registerLedger() {
	add(s, operation{
		id: "ledger-balance", method: http.MethodGet, path: "/v1/merchants/{out_sub_mch_id}/ledger/balance", summary: "某一时刻各科目的余额", tag: "账务",
	}, s.ledgerBalance)
}

// ledgerBalance is the trial balance of a merchant, by channel.
func (s *Server) ledgerBalance(ctx context.Context, a *actor, in *ledgerBalanceInput) (*answer[LedgerBalance], error) {
	m, err := s.merchant(ctx, a, directory.SeeReconciliation, in.Merchant)
	if err != nil {
		return nil, err
	}
	before := s.Now().Truncate(time.Millisecond) // as it is booked
	if !in.At.IsZero() && in.At.Before(before) {
		before = in.At
	}
	list, err := ledger.New(ledger.Config{Store: s.Store, Now: s.Now}).Balances(ctx, m.ID, before)
	if err != nil {
		return nil, err
	}
	out := LedgerBalance{MerchantID: m.ID, Before: before.UTC(), Balanced: true, Channels: []LedgerChannel{}}
	sums := ledger.Sums(list)
	for _, b := range list { // by channel
		if in.Channel != "" && b.Channel != pay.Channel(in.Channel) {
			continue
		}
		if n := len(out.Channels); n == 0 || out.Channels[n-1].Channel != string(b.Channel) {
			out.Channels = append(out.Channels, LedgerChannel{Channel: string(b.Channel), Sum: int64(sums[b.Channel])})
			out.Balanced = out.Balanced && sums[b.Channel] == 0
		}
		c := &out.Channels[len(out.Channels)-1]
		c.Accounts = append(c.Accounts, ledgerLine(b))
	}
	return ok(out), nil
}

func ledgerLine(b ledger.Balance) LedgerAccount {
	v := LedgerAccount{Account: string(b.Account), Name: ledger.Name(b.Account), Debit: int64(b.Amount)}
	if b.Amount < 0 {
		v.Debit, v.Credit = 0, int64(-b.Amount)
	}
	return v
}
