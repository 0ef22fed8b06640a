package store

import (
	"encoding/json"
	"time"

	"cloudpay/internal/jobs"
	"cloudpay/internal/pay"
	"cloudpay/internal/store/sqlcgen"
)

// ms is how a time is stored: Unix milliseconds, 0 for the zero time.
func ms(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at is the inverse of ms, in UTC.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func orderOf(r sqlcgen.Order) pay.Order {
	return pay.Order{
		MerchantID: r.MerchantID, OutTradeNo: r.OutTradeNo, ProviderID: r.ProviderID, Channel: pay.Channel(r.Channel),
		TradeType: pay.TradeType(r.TradeType), State: pay.OrderState(r.State), Unit: r.Unit, Total: pay.Fen(r.Total),
		Currency: r.Currency, Fingerprint: r.Fingerprint, CodeHash: r.CodeHash, ShopID: r.ShopID, DeviceID: r.DeviceID,
		StaffID: r.StaffID, Body: r.Body, NotifyURL: r.NotifyUrl, Extra: r.Extra,
		TransactionID: r.TransactionID, Settlement: pay.Fen(r.Settlement), Cash: pay.Fen(r.Cash), PayerID: r.PayerID,
		BankType: r.BankType, PaidAt: at(r.PaidMs), Finished: r.Finished,
		Reserved: pay.Fen(r.Reserved), Refunded: pay.Fen(r.Refunded), RefundSentAt: at(r.RefundSentMs),
		SentAt: at(r.SentMs), CreatedAt: at(r.CreatedMs), UpdatedAt: at(r.UpdatedMs),
		Seen: pay.Kind(r.Seen), AskedAt: at(r.AskedMs), AskAt: at(r.AskMs), Asks: r.Asks, UnpaidAt: at(r.UnpaidMs),
		NoReverse: r.NoReverse, Stopped: r.Stopped, Duplicate: r.Duplicate, ReverseAsk: r.ReverseAsk, Watch: r.Watch,
		ReverseSentAt: at(r.ReverseSentMs), ReversedAt: at(r.ReversedMs), ReverseTries: r.ReverseTries,
		ReverseDone: r.ReverseDone, ReversePause: time.Duration(r.ReversePauseMs) * time.Millisecond,
		RefundInstead: r.RefundInstead, PaidSeen: r.PaidSeen, MissingAt: at(r.MissingMs), ReverseGone: r.ReverseGone,
		Code: r.Code, Reason: pay.Reason(r.Reason), Text: r.Text, Truth: pay.Truth(r.Truth), Late: pay.LateState(r.Late),
		TerminalType: r.TerminalType, SubTerminalType: r.SubTerminalType, QRCodeID: r.QrcodeID, SourceType: r.SourceType,
		Authen: r.Authen, ExpireAt: at(r.ExpireMs), Prepaid: prepaidOf(r.Prepaid), Promo: r.Promo,
		Settle: pay.Setting(r.Settle), HoldLate: r.HoldLate,
	}
}

// prepaidText is how a prepaid order is stored, "" for none.
func prepaidText(p pay.Prepaid) string {
	if p == (pay.Prepaid{}) {
		return ""
	}
	raw, err := json.Marshal(p)
	if err != nil {
		panic("store: strings do not encode: " + err.Error())
	}
	return string(raw)
}

// prepaidOf is the inverse of prepaidText.
func prepaidOf(text string) pay.Prepaid {
	var p pay.Prepaid
	if text == "" || json.Unmarshal([]byte(text), &p) != nil {
		return pay.Prepaid{}
	}
	return p
}

func refundOf(r sqlcgen.Refund) pay.Refund {
	return pay.Refund{
		MerchantID: r.MerchantID, OutRefundNo: r.OutRefundNo, OutTradeNo: r.OutTradeNo, Channel: pay.Channel(r.Channel),
		State: pay.RefundState(r.State), Origin: pay.RefundOrigin(r.Origin), Unit: r.Unit, OpenUnit: r.OpenUnit,
		Total: pay.Fen(r.Total), Amount: pay.Fen(r.Amount), Reason: r.Reason, NotifyURL: r.NotifyUrl, Extra: r.Extra,
		RefundID: r.RefundID, Settlement: pay.Fen(r.Settlement), Cash: pay.Fen(r.Cash), RecvAccount: r.RecvAccount,
		SucceededAt: at(r.SucceededMs), SentAt: at(r.SentMs), TriedAt: at(r.TriedMs), Tries: r.Tries,
		Accepted: r.Accepted, Unanswered: r.Unanswered, Refused: r.Refused, Do: pay.Act(r.DoAct), DoAt: at(r.DoMs),
		MissingAt: at(r.MissingMs), CreatedAt: at(r.CreatedMs), UpdatedAt: at(r.UpdatedMs), Code: r.Code, Text: r.Text,
		ShopID: r.ShopID, DeviceID: r.DeviceID, StaffID: r.StaffID, AuthorizedBy: r.AuthorizedBy,
		TradeType: pay.TradeType(r.TradeType), TerminalType: r.TerminalType, SubTerminalType: r.SubTerminalType,
		Authen: r.Authen, Account: r.Account, Promo: r.Promo,
	}
}

func jobOf(r sqlcgen.Job) jobs.Job {
	j := jobs.Job{
		Key:   jobs.Key{MerchantID: r.MerchantID, Kind: r.Kind, Ref: r.Ref},
		State: jobs.State(r.State), Queue: r.Queue, Seq: r.Seq, Payload: r.Payload, RunAt: at(r.RunMs),
		Attempt: r.Attempt, Lease: r.Lease, CreatedAt: at(r.CreatedMs), LastError: r.LastError, Lane: r.Lane,
	}
	if r.Lease != "" {
		j.LeaseUntil = at(r.DueMs)
	}
	return j
}

// mapped turns rows into values of the domain.
func mapped[R, V any](rows []R, of func(R) V) []V {
	vs := make([]V, 0, len(rows))
	for _, r := range rows {
		vs = append(vs, of(r))
	}
	return vs
}
