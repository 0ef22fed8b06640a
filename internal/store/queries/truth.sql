-- name: InsertHandOfUnit :execrows
-- InsertHandOfUnit writes down what a person did, if this unit wrote the order.
INSERT INTO hands (merchant_id, out_trade_no, unit, out_refund_no, act, who, why, at_ms)
SELECT o.merchant_id, o.out_trade_no, o.unit, CAST(sqlc.arg(out_refund_no) AS TEXT), CAST(sqlc.arg(act) AS TEXT),
    CAST(sqlc.arg(who) AS TEXT), CAST(sqlc.arg(why) AS TEXT), o.updated_ms
FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit);

-- name: ListHands :many
-- ListHands reads what people did to one order, oldest first.
SELECT merchant_id, out_trade_no, unit, out_refund_no, act, who, why, at_ms
FROM hands
WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no)
ORDER BY at_ms, unit
LIMIT sqlc.arg(row_limit);

-- name: RaiseOfUnit :execrows
-- RaiseOfUnit notes that an order wants a person, if this unit wrote the order.
-- A reason that is known is counted, and open again.
INSERT INTO attention (merchant_id, out_trade_no, out_refund_no, why, first_ms, last_ms, times, done_ms, done_by, done_why)
SELECT o.merchant_id, o.out_trade_no, CAST(sqlc.arg(out_refund_no) AS TEXT), CAST(sqlc.arg(why) AS TEXT),
    o.updated_ms, o.updated_ms, 1, 0, '', ''
FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit)
ON CONFLICT (merchant_id, out_trade_no, out_refund_no, why) DO UPDATE SET
    first_ms = CASE WHEN attention.done_ms = 0 THEN attention.first_ms ELSE excluded.first_ms END,
    last_ms = excluded.last_ms, times = attention.times + 1, done_ms = 0, done_by = '', done_why = '';

-- name: Raise :execrows
-- Raise is RaiseOfUnit for a reason that changed nothing.
INSERT INTO attention (merchant_id, out_trade_no, out_refund_no, why, first_ms, last_ms, times, done_ms, done_by, done_why)
VALUES (sqlc.arg(merchant_id), sqlc.arg(out_trade_no), sqlc.arg(out_refund_no), sqlc.arg(why),
    sqlc.arg(at_ms), sqlc.arg(at_ms), 1, 0, '', '')
ON CONFLICT (merchant_id, out_trade_no, out_refund_no, why) DO UPDATE SET
    first_ms = CASE WHEN attention.done_ms = 0 THEN attention.first_ms ELSE excluded.first_ms END,
    last_ms = excluded.last_ms, times = attention.times + 1, done_ms = 0, done_by = '', done_why = '';

-- name: CalmOfUnit :execrows
-- CalmOfUnit ends a reason that is no longer true, if this unit wrote the order.
UPDATE attention SET done_ms = sqlc.arg(done_ms), done_by = '', done_why = ''
WHERE attention.merchant_id = sqlc.arg(merchant_id) AND attention.out_trade_no = sqlc.arg(out_trade_no)
  AND attention.out_refund_no = sqlc.arg(out_refund_no) AND attention.why = sqlc.arg(why) AND attention.done_ms = 0
  AND EXISTS (
      SELECT 1 FROM orders AS o
      WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit)
  );

-- name: Calm :execrows
-- Calm ends every open reason of an order, because a person has seen to it.
UPDATE attention SET done_ms = sqlc.arg(done_ms), done_by = sqlc.arg(done_by), done_why = sqlc.arg(done_why)
WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no) AND done_ms = 0;

-- name: ListAttention :many
-- ListAttention reads what wants a person, oldest first: of one merchant, or of
-- all when merchant_id is ''. It walks attention_open.
SELECT merchant_id, out_trade_no, out_refund_no, why, first_ms, last_ms, times, done_ms, done_by, done_why
FROM attention
WHERE done_ms = 0 AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
ORDER BY first_ms, merchant_id, out_trade_no, out_refund_no, why
LIMIT sqlc.arg(row_limit);

-- name: CountAttention :one
-- CountAttention counts what wants a person, up to a limit.
SELECT CAST(COUNT(*) AS BIGINT) AS open
FROM (SELECT 1 AS one FROM attention WHERE done_ms = 0 LIMIT sqlc.arg(row_limit)) AS seen;

-- name: ListAttentionOf :many
-- ListAttentionOf reads what about one order wants a person, oldest first.
SELECT merchant_id, out_trade_no, out_refund_no, why, first_ms, last_ms, times, done_ms, done_by, done_why
FROM attention
WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no) AND done_ms = 0
ORDER BY first_ms, out_refund_no, why
LIMIT sqlc.arg(row_limit);
