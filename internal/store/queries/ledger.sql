-- name: InsertPosting2 :execrows
-- InsertPosting2 books an event of two legs on the order that this unit just
-- wrote. An event that is booked already is an error and rolls the unit back.
INSERT INTO postings (merchant_id, out_trade_no, event, leg, account, channel, amount, at_ms, unit)
SELECT o.merchant_id, o.out_trade_no, CAST(sqlc.arg(event) AS TEXT), l.leg, l.account, o.channel, l.amount, o.updated_ms, o.unit
FROM orders AS o
CROSS JOIN (
    SELECT 0 AS leg, CAST(sqlc.arg(account0) AS TEXT) AS account, CAST(sqlc.arg(amount0) AS BIGINT) AS amount
    UNION ALL SELECT 1, CAST(sqlc.arg(account1) AS TEXT), CAST(sqlc.arg(amount1) AS BIGINT)
) AS l
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit);

-- name: InsertPosting4 :execrows
-- InsertPosting4 is InsertPosting2 for up to four legs; a leg of amount 0 is none.
INSERT INTO postings (merchant_id, out_trade_no, event, leg, account, channel, amount, at_ms, unit)
SELECT o.merchant_id, o.out_trade_no, CAST(sqlc.arg(event) AS TEXT), l.leg, l.account, o.channel, l.amount, o.updated_ms, o.unit
FROM orders AS o
CROSS JOIN (
    SELECT 0 AS leg, CAST(sqlc.arg(account0) AS TEXT) AS account, CAST(sqlc.arg(amount0) AS BIGINT) AS amount
    UNION ALL SELECT 1, CAST(sqlc.arg(account1) AS TEXT), CAST(sqlc.arg(amount1) AS BIGINT)
    UNION ALL SELECT 2, CAST(sqlc.arg(account2) AS TEXT), CAST(sqlc.arg(amount2) AS BIGINT)
    UNION ALL SELECT 3, CAST(sqlc.arg(account3) AS TEXT), CAST(sqlc.arg(amount3) AS BIGINT)
) AS l
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit)
  AND l.amount <> 0;

-- name: ListPostings :many
-- ListPostings reads the legs of one order, in the order in which they were booked.
SELECT merchant_id, out_trade_no, event, leg, account, channel, amount, at_ms, unit
FROM postings
WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no)
ORDER BY at_ms, event, leg
LIMIT sqlc.arg(row_limit);

-- name: SumPostings :many
-- SumPostings folds a merchant's ledger. It changes nothing.
SELECT p.channel, p.account, CAST(SUM(p.amount) AS BIGINT) AS balance
FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id)
GROUP BY p.channel, p.account;
