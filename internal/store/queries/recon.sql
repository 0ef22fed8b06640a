-- name: InsertReconRun :execrows
-- InsertReconRun plans the reconciliation of a day. A day that is planned
-- already is left as it is.
INSERT INTO recon_runs (
    merchant_id, channel, day, unit, round, step, position, version, flow_version, lines, matched, started_ms, done_ms
) VALUES (
    sqlc.arg(merchant_id), sqlc.arg(channel), sqlc.arg(day), sqlc.arg(unit), 1, sqlc.arg(step), '', 0, 0, 0, 0, sqlc.arg(started_ms), 0
)
ON CONFLICT DO NOTHING;

-- name: MoveReconRun :execrows
-- MoveReconRun is the first statement of every step: it moves the run from
-- exactly the row the step was made on.
UPDATE recon_runs SET
    unit = sqlc.arg(unit), round = sqlc.arg(round), step = sqlc.arg(step), position = sqlc.arg(position),
    version = sqlc.arg(version), flow_version = sqlc.arg(flow_version), lines = sqlc.arg(lines),
    matched = sqlc.arg(matched), started_ms = sqlc.arg(started_ms), done_ms = sqlc.arg(done_ms)
WHERE merchant_id = sqlc.arg(merchant_id) AND channel = sqlc.arg(channel) AND day = sqlc.arg(day)
  AND unit = sqlc.arg(from_unit);

-- name: GetReconRun :one
-- GetReconRun reads how far a day is reconciled.
SELECT merchant_id, channel, day, unit, round, step, position, version, flow_version, lines, matched, started_ms, done_ms
FROM recon_runs WHERE merchant_id = sqlc.arg(merchant_id) AND channel = sqlc.arg(channel) AND day = sqlc.arg(day);

-- name: LastReconDay :one
-- LastReconDay reads the last day that was planned, '' for none.
SELECT CAST(COALESCE(MAX(day), '') AS TEXT) FROM recon_runs
WHERE merchant_id = sqlc.arg(merchant_id) AND channel = sqlc.arg(channel);

-- name: ListReconRuns :many
-- ListReconRuns reads the runs of one merchant, or of all, of a span of days,
-- newest day first.
SELECT merchant_id, channel, day, unit, round, step, position, version, flow_version, lines, matched, started_ms, done_ms
FROM recon_runs
WHERE (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND day >= sqlc.arg(from_day) AND day <= sqlc.arg(to_day)
ORDER BY day DESC, merchant_id, channel
LIMIT sqlc.arg(row_limit);

-- name: ListReconRunsBehind :many
-- ListReconRunsBehind reads the runs of one merchant behind a day and channel, in
-- the order of ListReconRuns.
SELECT merchant_id, channel, day, unit, round, step, position, version, flow_version, lines, matched, started_ms, done_ms
FROM recon_runs
WHERE merchant_id = sqlc.arg(merchant_id) AND day >= sqlc.arg(from_day)
  AND (day < sqlc.arg(after_day) OR day = sqlc.arg(after_day) AND channel > sqlc.arg(after_channel))
ORDER BY day DESC, channel
LIMIT sqlc.arg(row_limit);

-- name: SumReconLines :one
-- SumReconLines sums how many lines the bills of a span of days have, and their days.
SELECT CAST(COALESCE(SUM(lines), 0) AS BIGINT) AS lines, CAST(COUNT(*) AS BIGINT) AS days
FROM recon_runs
WHERE merchant_id = sqlc.arg(merchant_id) AND day >= sqlc.arg(from_day) AND day <= sqlc.arg(to_day);

-- name: InsertBillChunk :execrows
-- InsertBillChunk keeps a piece of a bill. Its name says what is in it, so one
-- that is there already is the same.
INSERT INTO bill_chunks (merchant_id, sha256, chunk, body)
VALUES (sqlc.arg(merchant_id), sqlc.arg(sha256), sqlc.arg(chunk), sqlc.arg(body))
ON CONFLICT DO NOTHING;

-- name: GetBillChunk :one
-- GetBillChunk reads a piece of a bill.
SELECT body FROM bill_chunks
WHERE merchant_id = sqlc.arg(merchant_id) AND sha256 = sqlc.arg(sha256) AND chunk = sqlc.arg(chunk);

-- name: InsertBillOfRun :execrows
-- InsertBillOfRun adds a version of a bill, if this unit has moved the run. A
-- version that exists is an error and rolls the unit back.
INSERT INTO bills (merchant_id, channel, day, kind, version, unit, sha256, announced, bytes, empty, fetched_ms)
SELECT r.merchant_id, r.channel, r.day, CAST(sqlc.arg(kind) AS TEXT), CAST(sqlc.arg(version) AS BIGINT), r.unit,
    CAST(sqlc.arg(sha256) AS TEXT), CAST(sqlc.arg(announced) AS TEXT), CAST(sqlc.arg(bytes) AS BIGINT),
    CAST(sqlc.arg(empty) AS BOOLEAN), CAST(sqlc.arg(fetched_ms) AS BIGINT)
FROM recon_runs AS r
WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit);

-- name: ListBills :many
-- ListBills reads the versions of the bills of one day, newest first.
SELECT merchant_id, channel, day, kind, version, unit, sha256, announced, bytes, empty, fetched_ms
FROM bills
WHERE merchant_id = sqlc.arg(merchant_id) AND channel = sqlc.arg(channel) AND day = sqlc.arg(day) AND kind = sqlc.arg(kind)
ORDER BY version DESC
LIMIT sqlc.arg(row_limit);

-- name: InsertBillLineOfRun :execrows
-- InsertBillLineOfRun adds a line, if this unit has moved the run. A line that
-- is there already is the same: it was read from the same bytes.
INSERT INTO bill_lines (
    merchant_id, channel, day, version, line, item, kind, at_ms, out_trade_no, transaction_id, out_refund_no, refund_id,
    state, refund_state, total, settlement, fee, rate
)
SELECT r.merchant_id, r.channel, r.day, r.version, CAST(sqlc.arg(line) AS BIGINT), CAST(sqlc.arg(item) AS TEXT),
    CAST(sqlc.arg(kind) AS TEXT), CAST(sqlc.arg(at_ms) AS BIGINT), CAST(sqlc.arg(out_trade_no) AS TEXT),
    CAST(sqlc.arg(transaction_id) AS TEXT), CAST(sqlc.arg(out_refund_no) AS TEXT), CAST(sqlc.arg(refund_id) AS TEXT),
    CAST(sqlc.arg(state) AS TEXT), CAST(sqlc.arg(refund_state) AS TEXT), CAST(sqlc.arg(total) AS BIGINT),
    CAST(sqlc.arg(settlement) AS BIGINT), CAST(sqlc.arg(fee) AS BIGINT), CAST(sqlc.arg(rate) AS TEXT)
FROM recon_runs AS r
WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit)
ON CONFLICT DO NOTHING;

-- name: ClearBillLinesOfRun :execrows
-- ClearBillLinesOfRun removes the lines of the version in force, if this unit has
-- moved the run.
DELETE FROM bill_lines
WHERE bill_lines.merchant_id = sqlc.arg(merchant_id) AND bill_lines.channel = sqlc.arg(channel) AND bill_lines.day = sqlc.arg(day)
  AND bill_lines.version = (SELECT r.version FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit));

-- name: ClearBillFlowsOfRun :execrows
-- ClearBillFlowsOfRun is ClearBillLinesOfRun for the movements of a fund bill.
DELETE FROM bill_flows
WHERE bill_flows.merchant_id = sqlc.arg(merchant_id) AND bill_flows.channel = sqlc.arg(channel) AND bill_flows.day = sqlc.arg(day)
  AND bill_flows.version = (SELECT r.flow_version FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit));

-- name: InsertBillFlowOfRun :execrows
-- InsertBillFlowOfRun is InsertBillLineOfRun for a movement of a fund bill.
INSERT INTO bill_flows (
    merchant_id, channel, day, version, line, at_ms, business_no, flow_no, business, type, income, amount, balance, voucher
)
SELECT r.merchant_id, r.channel, r.day, r.flow_version, CAST(sqlc.arg(line) AS BIGINT), CAST(sqlc.arg(at_ms) AS BIGINT),
    CAST(sqlc.arg(business_no) AS TEXT), CAST(sqlc.arg(flow_no) AS TEXT), CAST(sqlc.arg(business) AS TEXT),
    CAST(sqlc.arg(type) AS TEXT), CAST(sqlc.arg(income) AS BOOLEAN), CAST(sqlc.arg(amount) AS BIGINT),
    CAST(sqlc.arg(balance) AS BIGINT), CAST(sqlc.arg(voucher) AS TEXT)
FROM recon_runs AS r
WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit)
ON CONFLICT DO NOTHING;

-- name: ListBillLines :many
-- ListBillLines reads the lines in force of one day from one of them on, each
-- with what the books have of it already: the fee that was booked, by how much its
-- settlement was trued up, whether an earlier line was of the same item, and whether the item is missed elsewhere.
-- The version is a subquery, not a join: with a join PostgreSQL reads and sorts all that is left of the day for each page.
SELECT
    l.line, l.item, l.kind, l.at_ms, l.out_trade_no, l.transaction_id, l.out_refund_no, l.refund_id, l.state, l.refund_state,
    l.total, l.settlement, l.fee, l.rate,
    CAST(COALESCE((SELECT SUM(p.amount) FROM postings AS p
        WHERE p.merchant_id = l.merchant_id AND p.out_trade_no = l.out_trade_no AND p.account = 'F' AND p.event LIKE 'fee%'
          AND SUBSTR(p.event, LENGTH(p.event) - LENGTH(l.item)) = ':' || l.item), 0) AS BIGINT) AS booked,
    CAST(COALESCE((SELECT -SUM(p.amount) FROM postings AS p
        WHERE p.merchant_id = l.merchant_id AND p.out_trade_no = l.out_trade_no AND p.account = 'D' AND p.event LIKE 'net%'
          AND SUBSTR(p.event, LENGTH(p.event) - LENGTH(l.item)) = ':' || l.item), 0) AS BIGINT) AS trued,
    EXISTS (SELECT 1 FROM bill_lines AS e
        JOIN recon_runs AS s ON s.merchant_id = e.merchant_id AND s.channel = e.channel AND s.day = e.day AND s.version = e.version
        WHERE e.merchant_id = l.merchant_id AND e.channel = l.channel AND e.item = l.item
          AND (e.day < l.day OR e.day = l.day AND e.line < l.line)) AS again,
    EXISTS (SELECT 1 FROM recon_diffs AS d
        WHERE d.merchant_id = l.merchant_id AND d.channel = l.channel AND d.item = l.item
          AND d.type IN ('we_more', 'date_edge') AND d.day <> l.day) AS missed
FROM bill_lines AS l
WHERE l.merchant_id = sqlc.arg(merchant_id) AND l.channel = sqlc.arg(channel) AND l.day = sqlc.arg(day)
  AND l.version = (SELECT r.version FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day))
  AND l.line >= sqlc.arg(from_line)
ORDER BY l.line
LIMIT sqlc.arg(row_limit);

-- name: ListLinesOfItem :many
-- ListLinesOfItem reads the lines in force of one item, whatever their day. They
-- are looked up by their keys, which the index of items holds: SQLite, which has
-- no statistics, would else walk over all lines that the merchant ever had.
SELECT
    l.day, l.line, l.item, l.kind, l.at_ms, l.out_trade_no, l.transaction_id, l.out_refund_no, l.refund_id, l.state, l.refund_state,
    l.total, l.settlement, l.fee, l.rate
FROM bill_lines AS k
CROSS JOIN recon_runs AS r
CROSS JOIN bill_lines AS l
WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.channel = sqlc.arg(channel) AND k.item = sqlc.arg(item)
  AND r.merchant_id = k.merchant_id AND r.channel = k.channel AND r.day = k.day AND r.version = k.version
  AND l.merchant_id = k.merchant_id AND l.channel = k.channel AND l.day = k.day AND l.version = k.version AND l.line = k.line
ORDER BY l.day, l.line
LIMIT sqlc.arg(row_limit);

-- name: SumFixesOfItem :one
-- SumFixesOfItem sums what repairs have booked into suspense for one item, under
-- its order or the bill's own name: received, negative for given.
SELECT CAST(COALESCE(-SUM(p.amount), 0) AS BIGINT) FROM postings AS p
WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.channel = sqlc.arg(channel)
  AND (p.out_trade_no = sqlc.arg(out_trade_no) OR p.out_trade_no = sqlc.arg(book))
  AND p.account = 'S' AND p.event LIKE 'fix%'
  AND SUBSTR(p.event, LENGTH(p.event) - LENGTH(CAST(sqlc.arg(item) AS TEXT))) = ':' || CAST(sqlc.arg(item) AS TEXT);

-- name: SumBillLines :many
-- SumBillLines sums the lines in force of one day by kind.
SELECT l.kind, CAST(COUNT(*) AS BIGINT) AS lines, CAST(SUM(l.total) AS BIGINT) AS total,
    CAST(SUM(l.settlement) AS BIGINT) AS settlement, CAST(SUM(l.fee) AS BIGINT) AS fee
FROM bill_lines AS l
JOIN recon_runs AS r ON r.merchant_id = l.merchant_id AND r.channel = l.channel AND r.day = l.day AND r.version = l.version
WHERE l.merchant_id = sqlc.arg(merchant_id) AND l.channel = sqlc.arg(channel) AND l.day = sqlc.arg(day)
GROUP BY l.kind
ORDER BY l.kind;

-- name: ListReconOrders :many
-- ListReconOrders reads orders that were written from some moment on, in that
-- order, and whose money moved at the wallet in a span of time. Where the page begins is a
-- condition of its own: no engine finds it in an OR, and each page would read all before it.
SELECT
    merchant_id, out_trade_no, state, unit, code_held, total, reserved, refunded, provider_id, channel,
    trade_type, currency, fingerprint, code_hash, shop_id, device_id, staff_id, body, notify_url, extra,
    transaction_id, sent_ms, created_ms, updated_ms, ask_ms, seen, truth, settlement, cash, payer_id,
    bank_type, paid_ms, code, reason, text, late, finished, refund_sent_ms, asked_ms, asks, unpaid_ms,
    missing_ms, reverse_sent_ms, reversed_ms, reverse_tries, reverse_pause_ms, no_reverse, stopped, duplicate,
    reverse_ask, watch, reverse_done, refund_instead, paid_seen, reverse_gone, terminal_type, sub_terminal_type,
    qrcode_id, source_type, authen, expire_ms, prepaid, promo, settle, hold_late
FROM orders
WHERE merchant_id = sqlc.arg(merchant_id) AND channel = sqlc.arg(channel)
  AND updated_ms >= sqlc.arg(after_ms) AND (updated_ms > sqlc.arg(after_ms) OR out_trade_no > sqlc.arg(after_no))
  AND (paid_ms >= sqlc.arg(from_ms) AND paid_ms < sqlc.arg(to_ms) OR reversed_ms >= sqlc.arg(from_ms) AND reversed_ms < sqlc.arg(to_ms)
      OR reverse_sent_ms >= sqlc.arg(from_ms) AND reverse_sent_ms < sqlc.arg(to_ms))
ORDER BY updated_ms, out_trade_no
LIMIT sqlc.arg(row_limit);

-- name: ListReconRefunds :many
-- ListReconRefunds is ListReconOrders for refunds that were sent or succeeded
-- in a span of time.
SELECT
    merchant_id, out_refund_no, out_trade_no, channel, state, origin, unit, open_unit, total, amount, reason,
    notify_url, extra, refund_id, settlement, cash, recv_account, succeeded_ms, sent_ms, tried_ms, tries,
    accepted, unanswered, refused, do_act, do_ms, missing_ms, created_ms, updated_ms, code, text, shop_id,
    device_id, staff_id, authorized_by, trade_type, terminal_type, sub_terminal_type, authen, account, promo
FROM refunds
WHERE merchant_id = sqlc.arg(merchant_id) AND channel = sqlc.arg(channel)
  AND updated_ms >= sqlc.arg(after_ms) AND (updated_ms > sqlc.arg(after_ms) OR out_refund_no > sqlc.arg(after_no))
  AND (sent_ms >= sqlc.arg(from_ms) AND sent_ms < sqlc.arg(to_ms) OR succeeded_ms >= sqlc.arg(from_ms) AND succeeded_ms < sqlc.arg(to_ms))
ORDER BY updated_ms, out_refund_no
LIMIT sqlc.arg(row_limit);

-- name: ListBillFlows :many
-- ListBillFlows reads the movements in force of one day from one of them on.
SELECT f.line, f.at_ms, f.business_no, f.flow_no, f.business, f.type, f.income, f.amount, f.balance, f.voucher
FROM bill_flows AS f
WHERE f.merchant_id = sqlc.arg(merchant_id) AND f.channel = sqlc.arg(channel) AND f.day = sqlc.arg(day)
  AND f.version = (SELECT r.flow_version FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day))
  AND f.line >= sqlc.arg(from_line)
ORDER BY f.line
LIMIT sqlc.arg(row_limit);

-- name: PutReconDiffOfRun :execrows
-- PutReconDiffOfRun notes a difference, if this unit has moved the run. One that
-- was closed with the same figures stays closed. It is the run's merchant's, or
-- its provider's.
INSERT INTO recon_diffs (
    merchant_id, channel, item, type, day, unit, out_trade_no, out_refund_no, ours, theirs, our_state, their_state,
    version, line, round, first_ms, state, who, why, closed_ms
)
SELECT CAST(sqlc.arg(owner) AS TEXT), r.channel, CAST(sqlc.arg(item) AS TEXT), CAST(sqlc.arg(type) AS TEXT), CAST(sqlc.arg(diff_day) AS TEXT), r.unit,
    CAST(sqlc.arg(out_trade_no) AS TEXT), CAST(sqlc.arg(out_refund_no) AS TEXT), CAST(sqlc.arg(ours) AS BIGINT),
    CAST(sqlc.arg(theirs) AS BIGINT), CAST(sqlc.arg(our_state) AS TEXT), CAST(sqlc.arg(their_state) AS TEXT),
    CAST(sqlc.arg(version) AS BIGINT), CAST(sqlc.arg(line) AS BIGINT), CAST(sqlc.arg(round) AS BIGINT),
    CAST(sqlc.arg(first_ms) AS BIGINT), 'open', '', '', 0
FROM recon_runs AS r
WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit)
ON CONFLICT (merchant_id, channel, item, type) DO UPDATE SET
    unit = excluded.unit, day = excluded.day, ours = excluded.ours, theirs = excluded.theirs, our_state = excluded.our_state,
    their_state = excluded.their_state, version = excluded.version, line = excluded.line, round = excluded.round,
    state = 'open', who = '', why = '', closed_ms = 0
WHERE recon_diffs.state = 'open' OR recon_diffs.ours <> excluded.ours OR recon_diffs.theirs <> excluded.theirs;

-- name: CloseMissedOfRun :execrows
-- CloseMissedOfRun explains what was missed in one bill and stands in another,
-- if this unit has moved the run.
UPDATE recon_diffs SET state = 'explained', who = sqlc.arg(who), why = sqlc.arg(why), closed_ms = sqlc.arg(closed_ms), unit = sqlc.arg(unit)
WHERE recon_diffs.merchant_id = sqlc.arg(merchant_id) AND recon_diffs.channel = sqlc.arg(channel) AND recon_diffs.item = sqlc.arg(item)
  AND recon_diffs.type IN ('we_more', 'date_edge') AND recon_diffs.state = 'open'
  AND EXISTS (SELECT 1 FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit));

-- name: CloseEdgeOfRun :execrows
-- CloseEdgeOfRun ends a difference of date that the next day's bill did not
-- explain, if this unit has moved the run.
UPDATE recon_diffs SET state = 'explained', who = sqlc.arg(who), why = sqlc.arg(why), closed_ms = sqlc.arg(closed_ms), unit = sqlc.arg(unit)
WHERE recon_diffs.merchant_id = sqlc.arg(merchant_id) AND recon_diffs.channel = sqlc.arg(channel) AND recon_diffs.item = sqlc.arg(item)
  AND recon_diffs.type = 'date_edge' AND recon_diffs.state = 'open'
  AND EXISTS (SELECT 1 FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit));

-- name: CloseStaleOfRun :execrows
-- CloseStaleOfRun explains what earlier rounds of a day saw and this one did
-- not, if this unit has moved the run.
UPDATE recon_diffs SET state = 'explained', who = sqlc.arg(who), why = sqlc.arg(why), closed_ms = sqlc.arg(closed_ms), unit = sqlc.arg(unit)
WHERE recon_diffs.merchant_id = sqlc.arg(merchant_id) AND recon_diffs.channel = sqlc.arg(channel) AND recon_diffs.day = sqlc.arg(day)
  AND recon_diffs.state = 'open'
  AND EXISTS (SELECT 1 FROM recon_runs AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit)
        AND recon_diffs.round < r.round);

-- name: TakeReconRun :execrows
-- TakeReconRun gives a run this unit and moves it nowhere, from exactly the row
-- by which a person decided on a difference, while that is open and the row that
-- was looked at.
UPDATE recon_runs SET unit = sqlc.arg(unit)
WHERE recon_runs.merchant_id = sqlc.arg(merchant_id) AND recon_runs.channel = sqlc.arg(channel) AND recon_runs.day = sqlc.arg(day)
  AND recon_runs.unit = sqlc.arg(from_unit)
  AND EXISTS (SELECT 1 FROM recon_diffs AS d
      WHERE d.merchant_id = sqlc.arg(diff_owner) AND d.channel = sqlc.arg(channel) AND d.item = sqlc.arg(item) AND d.type = sqlc.arg(type)
        AND d.state = 'open' AND d.unit = sqlc.arg(diff_unit));

-- name: CloseReconDiff :execrows
-- CloseReconDiff closes a difference for a person, from exactly the row that
-- was looked at, and if this unit has taken the run of run_day; '' is of no run.
UPDATE recon_diffs SET state = sqlc.arg(state), who = sqlc.arg(who), why = sqlc.arg(why), closed_ms = sqlc.arg(closed_ms), unit = sqlc.arg(unit)
WHERE recon_diffs.merchant_id = sqlc.arg(merchant_id) AND recon_diffs.channel = sqlc.arg(channel)
  AND recon_diffs.item = sqlc.arg(item) AND recon_diffs.type = sqlc.arg(type)
  AND recon_diffs.state = 'open' AND recon_diffs.unit = sqlc.arg(from_unit)
  AND (CAST(sqlc.arg(run_day) AS TEXT) = '' OR EXISTS (SELECT 1 FROM recon_runs AS r
      WHERE r.merchant_id = CAST(sqlc.arg(run_owner) AS TEXT) AND r.channel = sqlc.arg(channel) AND r.day = CAST(sqlc.arg(run_day) AS TEXT)
        AND r.unit = sqlc.arg(unit)));

-- name: GetReconDiff :one
-- GetReconDiff reads one difference.
SELECT merchant_id, channel, item, type, day, unit, out_trade_no, out_refund_no, ours, theirs, our_state, their_state,
    version, line, round, first_ms, state, who, why, closed_ms
FROM recon_diffs
WHERE merchant_id = sqlc.arg(merchant_id) AND channel = sqlc.arg(channel) AND item = sqlc.arg(item) AND type = sqlc.arg(type);

-- name: ListReconDiffs :many
-- ListReconDiffs reads differences of one merchant in a span of days, in the
-- order of day, channel, item and type, behind one of them. An empty channel, type,
-- state or order number selects all.
SELECT merchant_id, channel, item, type, day, unit, out_trade_no, out_refund_no, ours, theirs, our_state, their_state,
    version, line, round, first_ms, state, who, why, closed_ms
FROM recon_diffs
WHERE merchant_id = sqlc.arg(merchant_id) AND day >= sqlc.arg(from_day) AND day <= sqlc.arg(to_day)
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(state) AS TEXT) = '' OR state = CAST(sqlc.arg(state) AS TEXT))
  AND (CAST(sqlc.arg(type) AS TEXT) = '' OR type = CAST(sqlc.arg(type) AS TEXT))
  AND (CAST(sqlc.arg(out_trade_no) AS TEXT) = '' OR out_trade_no = CAST(sqlc.arg(out_trade_no) AS TEXT))
  AND (day > CAST(sqlc.arg(after_day) AS TEXT) OR day = CAST(sqlc.arg(after_day) AS TEXT) AND (channel > sqlc.arg(after_channel) OR channel = sqlc.arg(after_channel)
    AND (item > sqlc.arg(after_item) OR item = sqlc.arg(after_item) AND type > sqlc.arg(after_type))))
ORDER BY day, channel, item, type
LIMIT sqlc.arg(row_limit);

-- name: SumReconDiffs :many
-- SumReconDiffs counts and sums the differences of one merchant in a span of days by
-- channel, type and state. An empty channel, type or state selects all.
SELECT channel, type, state, CAST(COUNT(*) AS BIGINT) AS count, CAST(SUM(ours) AS BIGINT) AS ours, CAST(SUM(theirs) AS BIGINT) AS theirs,
    CAST(MIN(first_ms) AS BIGINT) AS first_ms
FROM recon_diffs
WHERE merchant_id = sqlc.arg(merchant_id) AND day >= sqlc.arg(from_day) AND day <= sqlc.arg(to_day)
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(state) AS TEXT) = '' OR state = CAST(sqlc.arg(state) AS TEXT))
  AND (CAST(sqlc.arg(type) AS TEXT) = '' OR type = CAST(sqlc.arg(type) AS TEXT))
GROUP BY channel, type, state
ORDER BY channel, type, state;

-- name: ListOpenDiffs :many
-- ListOpenDiffs reads the open differences of all merchants, oldest first.
SELECT merchant_id, channel, item, type, day, unit, out_trade_no, out_refund_no, ours, theirs, our_state, their_state,
    version, line, round, first_ms, state, who, why, closed_ms
FROM recon_diffs
WHERE state = 'open' AND first_ms < sqlc.arg(before_ms)
ORDER BY first_ms, merchant_id, channel, item, type
LIMIT sqlc.arg(row_limit);

-- name: CountOpenDiffs :many
-- CountOpenDiffs counts the open differences that were first seen before a moment.
SELECT channel, type, CAST(COUNT(*) AS BIGINT) AS open
FROM recon_diffs
WHERE state = 'open' AND first_ms < sqlc.arg(before_ms)
GROUP BY channel, type;

-- name: InsertPostingOfRun :execrows
-- InsertPostingOfRun books one leg of an event that a bill shows, if this unit
-- has moved the run. An event that is booked already is left as it is.
INSERT INTO postings (merchant_id, out_trade_no, event, leg, account, channel, amount, at_ms, unit, alone_ms)
SELECT r.merchant_id, CAST(sqlc.arg(out_trade_no) AS TEXT), CAST(sqlc.arg(event) AS TEXT), CAST(sqlc.arg(leg) AS BIGINT),
    CAST(sqlc.arg(account) AS TEXT), r.channel, CAST(sqlc.arg(amount) AS BIGINT), CAST(sqlc.arg(at_ms) AS BIGINT), r.unit,
    CAST(sqlc.arg(booked_ms) AS BIGINT)
FROM recon_runs AS r
WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.channel = sqlc.arg(channel) AND r.day = sqlc.arg(day) AND r.unit = sqlc.arg(unit)
ON CONFLICT DO NOTHING;

-- name: InsertPostingOfDiff :execrows
-- InsertPostingOfDiff books one leg of a repair, if this unit has closed the
-- difference. An event that is booked already is an error and rolls it back.
INSERT INTO postings (merchant_id, out_trade_no, event, leg, account, channel, amount, at_ms, unit, alone_ms)
SELECT d.merchant_id, CAST(sqlc.arg(out_trade_no) AS TEXT), CAST(sqlc.arg(event) AS TEXT), CAST(sqlc.arg(leg) AS BIGINT),
    CAST(sqlc.arg(account) AS TEXT), d.channel, CAST(sqlc.arg(amount) AS BIGINT), d.closed_ms, d.unit, d.closed_ms
FROM recon_diffs AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.channel = sqlc.arg(channel) AND d.item = sqlc.arg(item) AND d.type = sqlc.arg(type)
  AND d.unit = sqlc.arg(unit);
