package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Load is a merchant with many orders: 20 shops, 5 tills and 3 people in each,
// both wallets, code payments and QR codes. Three hundredths are refunded, as
// far as that is before the end of the load, and a hundredth each is reversed,
// closed and declined. Trade is from 8 to 22 o'clock; every tenth day six tenths
// of it fall into one hour.
type Load struct {
	Merchant string
	Orders   int       // at least Days
	Days     int       // at least 1
	First    time.Time // midnight in Asia/Shanghai of the first day
}

// Shop returns the id of shop n, from 0 to 19.
func (Load) Shop(n int) string { return fmt.Sprintf("shop-%d", n) }

// Till returns the id of till n of a shop, from 0 to 4.
func (Load) Till(shop, n int) string { return fmt.Sprintf("shop-%d-till-%d", shop, n) }

// Staff returns the id of person n of a shop, from 0 to 2.
func (Load) Staff(shop, n int) string { return fmt.Sprintf("shop-%d-staff-%d", shop, n) }

// End returns when the last order was made, at the latest.
func (l Load) End() time.Time { return l.First.AddDate(0, 0, l.Days-1).Add(22*time.Hour + time.Minute) }

// loadChunk is how many orders are made in one transaction.
const loadChunk = 50_000

// Fill makes the orders and refunds of a load in a migrated, empty database,
// without their postings. The engine makes the rows itself: a million takes
// about half a minute. The store must not be open on SQLite.
func (l Load) Fill(ctx context.Context, dsn string) error {
	exec, done, err := loader(ctx, dsn)
	if err != nil {
		return err
	}
	r := strings.NewReplacer(
		"$merchant", l.Merchant, "$first", strconv.FormatInt(l.First.UnixMilli(), 10), "$perday", strconv.Itoa(max(1, l.Orders/l.Days)),
		"$days", strconv.Itoa(l.Days), "$end", strconv.FormatInt(l.End().UnixMilli(), 10))
	for from := 0; from < l.Orders && err == nil; from += loadChunk {
		chunk := strings.NewReplacer("$from", strconv.Itoa(from), "$to", strconv.Itoa(min(from+loadChunk, l.Orders)))
		err = exec(chunk.Replace(r.Replace(loadOrders)))
	}
	if err == nil {
		err = exec(r.Replace(loadRefunds))
	}
	if err == nil {
		err = exec("ANALYZE")
	}
	return errors.Join(err, done())
}

// loader returns how to run statements in bulk.
func loader(ctx context.Context, dsn string) (exec func(string) error, done func() error, err error) {
	if path, lite := strings.CutPrefix(dsn, "sqlite:"); lite {
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)&_pragma=cache_size(-200000)")
		if err != nil {
			return nil, nil, err
		}
		db.SetMaxOpenConns(1)
		exec = func(text string) error {
			if text == "ANALYZE" {
				return nil // the store never runs it, so neither does its benchmark
			}
			_, err := db.ExecContext(ctx, text)
			return err
		}
		return exec, db.Close, nil
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, nil, err
	}
	exec = func(text string) error {
		if text == "ANALYZE" {
			text = "VACUUM ANALYZE" // as autovacuum does after a while
		}
		_, err := conn.Exec(ctx, text)
		return err
	}
	return exec, func() error { return conn.Close(ctx) }, nil
}

// loadOrders makes orders $from to $to. Everything follows from the number i;
// the factors are primes, so that what an order is like does not follow from
// when it was made.
const loadOrders = `
INSERT INTO orders (
    merchant_id, out_trade_no, state, unit, code_held, total, reserved, refunded, provider_id, channel, trade_type, currency,
    fingerprint, code_hash, shop_id, device_id, staff_id, body, notify_url, extra, transaction_id, sent_ms, created_ms,
    updated_ms, ask_ms, seen, truth, settlement, cash, payer_id, bank_type, paid_ms, code, reverse_sent_ms, paid_seen,
    terminal_type, sub_terminal_type, source_type
)
WITH RECURSIVE
seq (i) AS (SELECT CAST($from AS BIGINT) UNION ALL SELECT i + 1 FROM seq WHERE i < $to - 1),
place AS (
    SELECT i, i / $perday AS d, i % $perday AS k, (i * 7919) % 20 AS shop, (i * 104729 / 20) % 5 AS till,
        (i * 1299709 / 100) % 3 AS staff, 100 + (i * 7907) % 20000 AS total,
        CASE WHEN i % 97 = 5 THEN 'REVERSED' WHEN i % 89 = 3 THEN 'CLOSED' WHEN i % 101 = 9 THEN 'DECLINED' ELSE 'PAID' END AS state
    FROM seq
),
timed AS (
    SELECT p.*, $first + CASE WHEN d < $days THEN d ELSE $days - 1 END * 86400000
        + CASE WHEN d % 10 = 3 AND k * 10 < $perday * 6 THEN 43200000 + k * 6000000 / $perday
          ELSE 28800000 + k * 50400000 / $perday END + i * 31 % 997 AS created
    FROM place AS p
),
sized AS (
    SELECT t.*, CASE WHEN state IN ('PAID', 'REVERSED') THEN created + 1500 + i * 37 % 9000 ELSE 0 END AS paid,
        CASE WHEN state = 'PAID' AND i % 33 = 7 AND created + 80000 + i % 5 * 21600000 < $end THEN CASE WHEN i % 2 = 0 THEN total ELSE total / 2 END ELSE 0 END AS back
    FROM timed AS t
)
SELECT
    '$merchant', '9000000120261121' || CAST(10000000 + i AS TEXT), state, 'load.' || CAST(i AS TEXT), FALSE, total, back, back,
    '1000000001', CASE WHEN i * 613 % 10 < 6 THEN 'wxpay' ELSE 'alipay' END, CASE WHEN i * 617 % 10 < 8 THEN 1 ELSE 2 END, 'CNY',
    '0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef', '', 'shop-' || CAST(shop AS TEXT),
    'shop-' || CAST(shop AS TEXT) || '-till-' || CAST(till AS TEXT), 'shop-' || CAST(shop AS TEXT) || '-staff-' || CAST(staff AS TEXT),
    '测试门店 咖啡', '', '{"attach":"","client_flow_id":"8f14e45f"}', '42000012342026112112' || CAST(10000000 + i AS TEXT),
    created, created, CASE WHEN back > 0 THEN paid + 60000 + i % 5 * 21600000 ELSE created + 12000 END, 0, '', 'answer',
    CASE WHEN paid > 0 THEN total - CASE WHEN i % 10 = 0 THEN total / 10 ELSE 0 END ELSE 0 END, 0,
    CASE WHEN paid > 0 THEN 'payer-' || CAST(i * 7901 % 50000 AS TEXT) ELSE '' END, 'OTHERS', paid, 'SUCCESS',
    CASE WHEN state = 'REVERSED' THEN created + 60000 ELSE 0 END, state = 'REVERSED', 1 + till % 2, 900 + till % 3, i * 619 % 2
FROM sized`

// loadRefunds makes one refund for each order that has given back.
const loadRefunds = `
INSERT INTO refunds (
    merchant_id, out_refund_no, out_trade_no, channel, state, origin, unit, open_unit, total, amount, reason, notify_url, extra,
    refund_id, settlement, cash, recv_account, succeeded_ms, sent_ms, tried_ms, tries, accepted, unanswered, refused, do_act,
    do_ms, missing_ms, created_ms, updated_ms, code, text, shop_id, device_id, staff_id, trade_type
)
SELECT merchant_id, 'R' || out_trade_no, out_trade_no, channel, 'SUCCEEDED', 'api', unit, unit, total, refunded, '', '', '{}',
    'R' || transaction_id, refunded, 0, '', updated_ms + 3000, updated_ms, updated_ms, 1, TRUE, FALSE, FALSE, 'ask', 0, 0,
    updated_ms, updated_ms + 3000, 'SUCCESS', '', shop_id, device_id, staff_id, trade_type
FROM orders WHERE merchant_id = '$merchant' AND refunded > 0`
