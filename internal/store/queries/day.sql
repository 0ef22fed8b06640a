-- name: InsertDayKey :execrows
-- InsertDayKey adds a key to sign with. Of two that are made at once one is kept.
INSERT INTO day_keys (number, public_key, sealed, made_ms)
VALUES (sqlc.arg(number), sqlc.arg(public_key), sqlc.arg(sealed), sqlc.arg(made_ms))
ON CONFLICT DO NOTHING;

-- name: ListDayKeys :many
-- ListDayKeys reads all keys, newest first.
SELECT number, public_key, sealed, made_ms FROM day_keys ORDER BY number DESC LIMIT sqlc.arg(row_limit);

-- name: LastDay :one
-- LastDay reads the last closed day of a merchant.
SELECT merchant_id, number, date, hash, record, signature, closed_ms, unit
FROM days WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY number DESC LIMIT 1;

-- name: FirstDay :one
-- FirstDay reads the first closed day of a merchant.
SELECT merchant_id, number, date, hash, record, signature, closed_ms, unit
FROM days WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY number LIMIT 1;

-- name: GetDay :one
-- GetDay reads one closed day.
SELECT merchant_id, number, date, hash, record, signature, closed_ms, unit
FROM days WHERE merchant_id = sqlc.arg(merchant_id) AND date = sqlc.arg(date);

-- name: ListDays :many
-- ListDays reads closed days behind a number, oldest first.
SELECT merchant_id, number, date, hash, record, signature, closed_ms, unit
FROM days WHERE merchant_id = sqlc.arg(merchant_id) AND number > sqlc.arg(after) ORDER BY number LIMIT sqlc.arg(row_limit);

-- name: ListDaysBack :many
-- ListDaysBack reads closed days of a span of dates before a date, newest first.
SELECT merchant_id, number, date, hash, record, signature, closed_ms, unit
FROM days WHERE merchant_id = sqlc.arg(merchant_id) AND date >= sqlc.arg(from_date) AND date < sqlc.arg(before)
ORDER BY date DESC LIMIT sqlc.arg(row_limit);

-- name: InsertDayDraft :execrows
-- InsertDayDraft makes the row that closing a merchant's days needs.
INSERT INTO day_drafts (merchant_id, date, unit) VALUES (sqlc.arg(merchant_id), '', '') ON CONFLICT DO NOTHING;

-- name: TakeDayDraft :execrows
-- TakeDayDraft begins to close a day. Whoever did before can write no more.
UPDATE day_drafts SET date = sqlc.arg(date), unit = sqlc.arg(unit) WHERE merchant_id = sqlc.arg(merchant_id);

-- name: KeepDayDraft :execrows
-- KeepDayDraft is the first statement of everything that closing a day writes:
-- nobody else has begun meanwhile.
UPDATE day_drafts SET unit = sqlc.arg(unit)
WHERE merchant_id = sqlc.arg(merchant_id) AND date = sqlc.arg(date) AND unit = sqlc.arg(from_unit);

-- name: ClearDayDraft :execrows
-- ClearDayDraft removes what an earlier attempt to close a day has left.
DELETE FROM day_items
WHERE day_items.merchant_id = sqlc.arg(merchant_id) AND day_items.closed_date = sqlc.arg(date)
  AND EXISTS (SELECT 1 FROM day_drafts AS d WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.unit = sqlc.arg(unit))
  AND NOT EXISTS (SELECT 1 FROM days AS x WHERE x.merchant_id = sqlc.arg(merchant_id) AND x.date = sqlc.arg(date));

-- name: ClearUnbegunDays :execrows
-- ClearUnbegunDays removes what attempts to close a first day have left, whichever day
-- they were at: a chain that has not begun has closed nothing.
DELETE FROM day_items
WHERE day_items.merchant_id = sqlc.arg(merchant_id)
  AND EXISTS (SELECT 1 FROM day_drafts AS d WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.unit = sqlc.arg(unit))
  AND NOT EXISTS (SELECT 1 FROM days AS x WHERE x.merchant_id = sqlc.arg(merchant_id));

-- name: PutDayItem :execrows
-- PutDayItem writes an item of the day that is being closed.
INSERT INTO day_items (merchant_id, item, closed_date, own_date, channel, out_trade_no, at_ms, amount, settle, booked, told, was_date, was_amount)
SELECT d.merchant_id, CAST(sqlc.arg(item) AS TEXT), d.date, CAST(sqlc.arg(own_date) AS TEXT), CAST(sqlc.arg(channel) AS TEXT),
    CAST(sqlc.arg(out_trade_no) AS TEXT), CAST(sqlc.arg(at_ms) AS BIGINT), CAST(sqlc.arg(amount) AS BIGINT), CAST(sqlc.arg(settle) AS BIGINT),
    CAST(sqlc.arg(booked) AS BIGINT), CAST(sqlc.arg(told) AS BOOLEAN), CAST(sqlc.arg(was_date) AS TEXT), CAST(sqlc.arg(was_amount) AS BIGINT)
FROM day_drafts AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.unit = sqlc.arg(unit)
ON CONFLICT (merchant_id, item, closed_date) DO UPDATE SET own_date = excluded.own_date, channel = excluded.channel,
    out_trade_no = excluded.out_trade_no, at_ms = excluded.at_ms, amount = excluded.amount, settle = excluded.settle, booked = excluded.booked, told = excluded.told,
    was_date = excluded.was_date, was_amount = excluded.was_amount;

-- name: InsertDay :execrows
-- InsertDay closes a day, if nobody else has begun to meanwhile.
INSERT INTO days (merchant_id, number, date, hash, record, signature, closed_ms, unit)
SELECT d.merchant_id, CAST(sqlc.arg(number) AS BIGINT), d.date, CAST(sqlc.arg(hash) AS TEXT), CAST(sqlc.arg(record) AS TEXT),
    CAST(sqlc.arg(signature) AS TEXT), CAST(sqlc.arg(closed_ms) AS BIGINT), d.unit
FROM day_drafts AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.unit = sqlc.arg(unit);

-- name: GetDayItem :one
-- GetDayItem reads how an item stood last, before a day.
SELECT merchant_id, item, closed_date, own_date, channel, out_trade_no, at_ms, amount, settle, booked, told, was_date, was_amount
FROM day_items
WHERE merchant_id = sqlc.arg(merchant_id) AND item = sqlc.arg(item) AND closed_date < sqlc.arg(before)
ORDER BY closed_date DESC LIMIT 1;

-- name: ListDayItems :many
-- ListDayItems reads what counts in the record of a day, behind an item.
SELECT merchant_id, item, closed_date, own_date, channel, out_trade_no, at_ms, amount, settle, booked, told, was_date, was_amount
FROM day_items
WHERE merchant_id = sqlc.arg(merchant_id) AND closed_date = sqlc.arg(date) AND item > sqlc.arg(after)
ORDER BY item LIMIT sqlc.arg(row_limit);

-- name: ListDayOrders :many
-- ListDayOrders reads orders with money that were written from some moment on,
-- in that order, with what was booked for them and whether the merchant is still
-- to be told.
SELECT
    o.out_trade_no, o.channel, o.state, o.late, o.paid_seen, o.total, o.settlement, o.reserved, o.paid_ms, o.reverse_sent_ms,
    o.reversed_ms, o.updated_ms,
    CAST(COALESCE((SELECT -SUM(p.amount) FROM postings AS p WHERE p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no
        AND p.event IN ('paid', 'late') AND p.account IN ('M', 'S')), 0) AS BIGINT) AS booked_in,
    CAST(COALESCE((SELECT SUM(p.amount) FROM postings AS p WHERE p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no
        AND p.event IN ('reversed', 'late_reversed') AND p.account IN ('M', 'S')), 0) AS BIGINT) AS booked_back,
    EXISTS (SELECT 1 FROM jobs AS j WHERE j.merchant_id = o.merchant_id AND j.kind = 'callback' AND j.ref = o.out_trade_no || '/paid') AS untold_in,
    EXISTS (SELECT 1 FROM jobs AS j WHERE j.merchant_id = o.merchant_id AND j.kind = 'callback' AND j.ref = o.out_trade_no || '/reversed') AS untold_back
FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id)
  AND o.updated_ms >= sqlc.arg(after_ms) AND (o.updated_ms > sqlc.arg(after_ms) OR o.out_trade_no > sqlc.arg(after_no))
  AND o.paid_ms > 0
ORDER BY o.updated_ms, o.out_trade_no
LIMIT sqlc.arg(row_limit);

-- name: ListDayRefunds :many
-- ListDayRefunds is ListDayOrders for refunds that were sent, or made elsewhere.
SELECT
    r.out_refund_no, r.out_trade_no, r.channel, r.state, r.amount, r.settlement, r.sent_ms, r.succeeded_ms, r.updated_ms,
    CAST(COALESCE((SELECT SUM(p.amount) FROM postings AS p WHERE p.merchant_id = r.merchant_id AND p.out_trade_no = r.out_trade_no
        AND p.event IN ('reserve:' || r.out_refund_no, 'reject:' || r.out_refund_no, 'outside:' || r.out_refund_no)
        AND p.account IN ('M', 'S')), 0) AS BIGINT) AS booked,
    EXISTS (SELECT 1 FROM jobs AS j WHERE j.merchant_id = r.merchant_id AND j.kind = 'callback'
        AND j.ref = r.out_trade_no || '/refund:' || r.out_refund_no) AS untold
FROM refunds AS r
WHERE r.merchant_id = sqlc.arg(merchant_id)
  AND r.updated_ms >= sqlc.arg(after_ms) AND (r.updated_ms > sqlc.arg(after_ms) OR r.out_refund_no > sqlc.arg(after_no))
  AND (r.sent_ms > 0 OR r.succeeded_ms > 0)
ORDER BY r.updated_ms, r.out_refund_no
LIMIT sqlc.arg(row_limit);

-- name: SumDayBill :many
-- SumDayBill sums the lines in force of a day's bill by kind, without those of
-- items that were closed with an earlier day, and of refunds that the wallet calls
-- failed and that do not count in this day: nothing went back.
SELECT l.kind, CAST(COUNT(*) AS BIGINT) AS lines, CAST(SUM(l.total) AS BIGINT) AS total
FROM bill_lines AS l
JOIN recon_runs AS r ON r.merchant_id = l.merchant_id AND r.channel = l.channel AND r.day = l.day AND r.version = l.version
WHERE l.merchant_id = sqlc.arg(merchant_id) AND l.channel = sqlc.arg(channel) AND l.day = sqlc.arg(bill_day)
  AND NOT EXISTS (
      SELECT 1 FROM day_items AS i
      WHERE i.merchant_id = l.merchant_id AND i.channel = l.channel AND i.item = l.item
        AND i.closed_date < sqlc.arg(date) AND i.own_date < sqlc.arg(date)
  )
  AND (l.refund_state <> 'FAIL' OR EXISTS (
      SELECT 1 FROM day_items AS c
      WHERE c.merchant_id = sqlc.arg(merchant_id) AND c.channel = sqlc.arg(channel) AND c.item = l.item
        AND c.closed_date = sqlc.arg(date) AND c.own_date = sqlc.arg(date)
  ))
GROUP BY l.kind;

-- name: SumBillOfItem :one
-- SumBillOfItem sums the lines in force of one item in one day's bill, apart what is
-- told as a payment, failed refunds as in SumDayBill.
SELECT CAST(COALESCE(SUM(CASE WHEN l.kind = 'payment' THEN l.total ELSE 0 END), 0) AS BIGINT) AS came,
    CAST(COALESCE(SUM(CASE WHEN l.kind = 'payment' THEN 0 ELSE l.total END), 0) AS BIGINT) AS back
FROM bill_lines AS l
JOIN recon_runs AS r ON r.merchant_id = l.merchant_id AND r.channel = l.channel AND r.day = l.day AND r.version = l.version
WHERE l.merchant_id = sqlc.arg(merchant_id) AND l.channel = sqlc.arg(channel) AND l.day = sqlc.arg(bill_day)
  AND l.item = sqlc.arg(item)
  AND (l.refund_state <> 'FAIL' OR EXISTS (
      SELECT 1 FROM day_items AS c
      WHERE c.merchant_id = sqlc.arg(merchant_id) AND c.channel = sqlc.arg(channel) AND c.item = l.item
        AND c.closed_date = sqlc.arg(date) AND c.own_date = sqlc.arg(date)
  ));

-- name: ListStatement :many
-- ListStatement reads the items of a closed day behind one, with the fee that the
-- bills in force have for each.
SELECT i.item, i.channel, i.out_trade_no, i.at_ms, i.amount, i.settle,
    CAST(COALESCE((SELECT SUM(l.fee) FROM bill_lines AS k -- by their keys, as in ListLinesOfItem
        CROSS JOIN recon_runs AS r
        CROSS JOIN bill_lines AS l
        WHERE k.merchant_id = i.merchant_id AND k.channel = i.channel AND k.item = i.item
          AND r.merchant_id = k.merchant_id AND r.channel = k.channel AND r.day = k.day AND r.version = k.version
          AND l.merchant_id = k.merchant_id AND l.channel = k.channel AND l.day = k.day AND l.version = k.version AND l.line = k.line
        ), 0) AS BIGINT) AS fee
FROM day_items AS i
WHERE i.merchant_id = sqlc.arg(merchant_id) AND i.closed_date = sqlc.arg(date) AND i.own_date = sqlc.arg(date)
  AND i.item > sqlc.arg(after)
ORDER BY i.item LIMIT sqlc.arg(row_limit);

-- name: ListBilledOrders :many
-- ListBilledOrders reads the orders that a day's bill confirms and that do not
-- rest on a bill yet, by their lines: paid by our books, of the same amount, and
-- nothing but a fee is open about them.
SELECT l.line, l.out_trade_no
FROM bill_lines AS l
JOIN orders AS o ON o.merchant_id = l.merchant_id AND o.out_trade_no = l.out_trade_no AND o.channel = l.channel
WHERE l.merchant_id = sqlc.arg(merchant_id) AND l.channel = sqlc.arg(channel) AND l.day = sqlc.arg(bill_day)
  AND l.version = (SELECT r.version FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(bill_day) AND r.step = 'done')
  AND l.line > sqlc.arg(after) AND l.kind = 'payment'
  AND o.total = l.total AND o.truth <> 'bill' AND (o.state = 'PAID' OR o.paid_seen OR o.late <> '')
  AND NOT EXISTS (
      SELECT 1 FROM recon_diffs AS d
      WHERE d.merchant_id = l.merchant_id AND d.channel = l.channel AND d.item = l.item AND d.state = 'open' AND d.type <> 'fee'
  )
ORDER BY l.line LIMIT sqlc.arg(row_limit);
