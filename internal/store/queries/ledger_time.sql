-- name: InsertLedgerMark :execrows
-- InsertLedgerMark makes the mark of a merchant whose ledger was never folded.
INSERT INTO ledger_marks (merchant_id, folded_ms, swept_ms, unit)
VALUES (sqlc.arg(merchant_id), 0, 0, '')
ON CONFLICT DO NOTHING;

-- name: GetLedgerMark :one
-- GetLedgerMark reads how far a merchant's ledger is folded.
SELECT merchant_id, folded_ms, swept_ms, unit FROM ledger_marks WHERE merchant_id = sqlc.arg(merchant_id);

-- name: MoveLedgerMark :execrows
-- MoveLedgerMark begins a fold, if nobody has folded since the caller looked.
UPDATE ledger_marks SET folded_ms = sqlc.arg(folded_ms), swept_ms = sqlc.arg(swept_ms), unit = sqlc.arg(unit)
WHERE merchant_id = sqlc.arg(merchant_id) AND unit = sqlc.arg(from_unit) AND folded_ms = sqlc.arg(from_ms);

-- name: CountLedgerLate :one
-- CountLedgerLate counts the events of orders written in a span of time that
-- are not folded.
SELECT COUNT(*) AS late
FROM orders AS o
CROSS JOIN postings AS p
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.updated_ms >= sqlc.arg(from_ms) AND o.updated_ms < sqlc.arg(to_ms)
  AND p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no AND p.alone_ms = 0
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  );

-- name: StageLedger :execrows
-- StageLedger finds the events of orders written in a span of time that are not
-- folded yet. It is the one look at them: what follows in the unit reads only
-- rows that nobody else writes.
INSERT INTO ledger_stage (merchant_id, at_ms, out_trade_no, event)
SELECT DISTINCT p.merchant_id, p.at_ms, p.out_trade_no, p.event
FROM orders AS o
CROSS JOIN postings AS p
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.updated_ms >= sqlc.arg(from_ms) AND o.updated_ms < sqlc.arg(to_ms)
  AND p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no AND p.alone_ms = 0
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  )
  AND EXISTS (SELECT 1 FROM ledger_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit));

-- name: StageLedgerAlone :execrows
-- StageLedgerAlone is StageLedger for events that were booked without writing
-- their order's row in a span of time.
INSERT INTO ledger_stage (merchant_id, at_ms, out_trade_no, event)
SELECT DISTINCT p.merchant_id, p.at_ms, p.out_trade_no, p.event
FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.alone_ms > 0 AND p.alone_ms >= sqlc.arg(from_ms) AND p.alone_ms < sqlc.arg(to_ms)
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  )
  AND EXISTS (SELECT 1 FROM ledger_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit));

-- name: CountLedgerLateAlone :one
-- CountLedgerLateAlone is CountLedgerLate for such events.
SELECT COUNT(*) AS late
FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.alone_ms > 0 AND p.alone_ms >= sqlc.arg(from_ms) AND p.alone_ms < sqlc.arg(to_ms)
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  );

-- name: NextLedgerAlone :one
-- NextLedgerAlone reads when the n-th leg of such an event after a moment was booked.
SELECT p.alone_ms FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.alone_ms > 0 AND p.alone_ms >= sqlc.arg(from_ms) AND p.alone_ms < sqlc.arg(to_ms)
ORDER BY p.alone_ms
LIMIT 1 OFFSET sqlc.arg(row_offset);

-- name: SumLedgerLiveAlone :many
-- SumLedgerLiveAlone is SumLedgerLive for such events.
SELECT p.channel, p.account, CAST(SUM(p.amount) AS BIGINT) AS amount
FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.alone_ms > 0 AND p.alone_ms >= sqlc.arg(folded_ms) AND p.at_ms < sqlc.arg(to_ms)
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  )
GROUP BY p.channel, p.account;

-- name: ListLedgerLiveAlone :many
-- ListLedgerLiveAlone is ListLedgerLive for such events.
SELECT p.at_ms, p.out_trade_no, p.event, p.leg, p.channel, p.account, p.amount, p.unit
FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.alone_ms > 0 AND p.alone_ms >= sqlc.arg(folded_ms) AND p.at_ms >= sqlc.arg(from_ms)
  AND p.at_ms < sqlc.arg(to_ms)
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  )
ORDER BY p.at_ms, p.out_trade_no, p.event, p.leg
LIMIT sqlc.arg(row_limit);

-- name: AddLedgerCells :execrows
-- AddLedgerCells adds the staged events to the spans that they fall into.
INSERT INTO ledger_cells (merchant_id, span_ms, start_ms, channel, account, amount)
SELECT p.merchant_id, s.span_ms, ((p.at_ms + 28800000) / s.span_ms) * s.span_ms - 28800000 AS start_ms, p.channel, p.account,
    CAST(SUM(p.amount) AS BIGINT)
FROM ledger_stage AS t
CROSS JOIN postings AS p
CROSS JOIN (SELECT CAST(86400000 AS BIGINT) AS span_ms UNION ALL SELECT CAST(600000 AS BIGINT)) AS s
WHERE t.merchant_id = sqlc.arg(merchant_id) AND p.merchant_id = t.merchant_id AND p.out_trade_no = t.out_trade_no
  AND p.event = t.event
  AND EXISTS (SELECT 1 FROM ledger_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit))
GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (merchant_id, span_ms, start_ms, channel, account) DO UPDATE SET amount = ledger_cells.amount + excluded.amount;

-- name: PutLedgerTimes :execrows
-- PutLedgerTimes writes down that the staged events are folded.
INSERT INTO ledger_times (merchant_id, at_ms, out_trade_no, event)
SELECT t.merchant_id, t.at_ms, t.out_trade_no, t.event
FROM ledger_stage AS t
WHERE t.merchant_id = sqlc.arg(merchant_id)
  AND EXISTS (SELECT 1 FROM ledger_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit));

-- name: ClearLedgerStage :execrows
-- ClearLedgerStage ends a fold.
DELETE FROM ledger_stage
WHERE ledger_stage.merchant_id = sqlc.arg(merchant_id)
  AND EXISTS (SELECT 1 FROM ledger_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit));

-- name: SumLedgerCells :many
-- SumLedgerCells sums the spans of one length that begin in a span of time.
SELECT c.channel, c.account, CAST(SUM(c.amount) AS BIGINT) AS amount
FROM ledger_cells AS c
WHERE c.merchant_id = sqlc.arg(merchant_id) AND c.span_ms = sqlc.arg(span_ms) AND c.start_ms >= sqlc.arg(from_ms)
  AND c.start_ms < sqlc.arg(to_ms)
GROUP BY c.channel, c.account;

-- name: SumLedgerTimes :many
-- SumLedgerTimes sums the folded events of a span of time one by one.
SELECT p.channel, p.account, CAST(SUM(p.amount) AS BIGINT) AS amount
FROM ledger_times AS t
CROSS JOIN postings AS p
WHERE t.merchant_id = sqlc.arg(merchant_id) AND t.at_ms >= sqlc.arg(from_ms) AND t.at_ms < sqlc.arg(to_ms)
  AND p.merchant_id = t.merchant_id AND p.out_trade_no = t.out_trade_no AND p.event = t.event
GROUP BY p.channel, p.account;

-- name: SumLedgerLive :many
-- SumLedgerLive sums what was booked before a moment and is not folded.
SELECT p.channel, p.account, CAST(SUM(p.amount) AS BIGINT) AS amount
FROM orders AS o
CROSS JOIN postings AS p
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.updated_ms >= sqlc.arg(folded_ms)
  AND p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no AND p.alone_ms = 0 AND p.at_ms < sqlc.arg(to_ms)
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  )
GROUP BY p.channel, p.account;

-- name: SumLedgerSlowly :many
-- SumLedgerSlowly reads every posting of a merchant: what the fold must agree with.
SELECT p.channel, p.account, CAST(SUM(p.amount) AS BIGINT) AS amount
FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.at_ms < sqlc.arg(to_ms)
GROUP BY p.channel, p.account;

-- name: ListLedgerTimes :many
-- ListLedgerTimes reads folded events behind a cursor, with their legs.
SELECT p.at_ms, p.out_trade_no, p.event, p.leg, p.channel, p.account, p.amount, p.unit
FROM (
    SELECT t.merchant_id, t.at_ms, t.out_trade_no, t.event
    FROM ledger_times AS t
    WHERE t.merchant_id = sqlc.arg(merchant_id) AND t.at_ms < sqlc.arg(to_ms)
      AND (t.at_ms, t.out_trade_no, t.event) > (CAST(sqlc.arg(after_ms) AS BIGINT), CAST(sqlc.arg(after_no) AS TEXT), CAST(sqlc.arg(after_event) AS TEXT))
    ORDER BY t.at_ms, t.out_trade_no, t.event
    LIMIT sqlc.arg(row_limit)
) AS x
JOIN postings AS p ON p.merchant_id = x.merchant_id AND p.out_trade_no = x.out_trade_no AND p.event = x.event
ORDER BY p.at_ms, p.out_trade_no, p.event, p.leg;

-- name: ListLedgerLive :many
-- ListLedgerLive reads the legs that were booked in a span of time and are not folded.
SELECT p.at_ms, p.out_trade_no, p.event, p.leg, p.channel, p.account, p.amount, p.unit
FROM orders AS o
CROSS JOIN postings AS p
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.updated_ms >= sqlc.arg(folded_ms)
  AND p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no AND p.alone_ms = 0 AND p.at_ms >= sqlc.arg(from_ms) AND p.at_ms < sqlc.arg(to_ms)
  AND NOT EXISTS (
      SELECT 1 FROM ledger_times AS t
      WHERE t.merchant_id = p.merchant_id AND t.at_ms = p.at_ms AND t.out_trade_no = p.out_trade_no AND t.event = p.event
  )
ORDER BY p.at_ms, p.out_trade_no, p.event, p.leg
LIMIT sqlc.arg(row_limit);

-- name: ListBookedOrders :many
-- ListBookedOrders reads orders by number, as far as a check of the books needs them.
SELECT o.out_trade_no, o.channel, o.state, o.late, o.paid_seen, o.total, o.reserved, o.refunded, o.unit
FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no > sqlc.arg(after)
ORDER BY o.out_trade_no
LIMIT sqlc.arg(row_limit);

-- name: ListBookedRefunds :many
-- ListBookedRefunds sums the refunds of a range of orders by what they count as.
SELECT r.out_trade_no, r.state, r.origin, CAST(SUM(r.amount) AS BIGINT) AS amount
FROM refunds AS r
WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.out_trade_no >= sqlc.arg(from_no) AND r.out_trade_no <= sqlc.arg(to_no)
GROUP BY r.out_trade_no, r.state, r.origin;

-- name: ListBookedSums :many
-- ListBookedSums sums the ledger of a range of orders by account.
SELECT p.out_trade_no, p.account, CAST(SUM(p.amount) AS BIGINT) AS amount
FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.out_trade_no >= sqlc.arg(from_no) AND p.out_trade_no <= sqlc.arg(to_no)
GROUP BY p.out_trade_no, p.account;
