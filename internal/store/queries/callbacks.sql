-- name: KeepCallback :execrows
-- KeepCallback writes down one attempt. Repeating it changes nothing.
INSERT INTO callback_attempts (merchant_id, at_ms, id, out_trade_no, event, attempt, endpoint, target, authen_key, request,
    acknowledged, http_status, reply, error, took_ms)
VALUES (sqlc.arg(merchant_id), sqlc.arg(at_ms), sqlc.arg(id), sqlc.arg(out_trade_no), sqlc.arg(event), sqlc.arg(attempt),
    sqlc.arg(endpoint), sqlc.arg(target), sqlc.arg(authen_key), sqlc.arg(request), sqlc.arg(acknowledged), sqlc.arg(http_status),
    sqlc.arg(reply), sqlc.arg(error), sqlc.arg(took_ms))
ON CONFLICT (merchant_id, at_ms, id) DO NOTHING;

-- name: ListCallbacks :many
-- ListCallbacks reads a merchant's attempts, newest first, from before a given
-- one. An empty endpoint is all of them.
SELECT
    merchant_id, at_ms, id, out_trade_no, event, attempt, endpoint, target, authen_key, request,
    acknowledged, http_status, reply, error, took_ms
FROM callback_attempts
WHERE merchant_id = sqlc.arg(merchant_id) AND at_ms >= sqlc.arg(from_ms) AND at_ms <= sqlc.arg(before_ms)
  AND (at_ms < sqlc.arg(before_ms) OR id < CAST(sqlc.arg(before_id) AS TEXT))
  AND (CAST(sqlc.arg(endpoint) AS TEXT) = '' OR endpoint = CAST(sqlc.arg(endpoint) AS TEXT))
  AND (CAST(sqlc.arg(failed) AS BIGINT) = 0 OR NOT acknowledged)
ORDER BY at_ms DESC, id DESC
LIMIT sqlc.arg(row_limit);

-- name: ListCallbacksOfOrder :many
-- ListCallbacksOfOrder is ListCallbacks for one order.
SELECT
    merchant_id, at_ms, id, out_trade_no, event, attempt, endpoint, target, authen_key, request,
    acknowledged, http_status, reply, error, took_ms
FROM callback_attempts
WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no) AND at_ms >= sqlc.arg(from_ms)
  AND at_ms <= sqlc.arg(before_ms) AND (at_ms < sqlc.arg(before_ms) OR id < CAST(sqlc.arg(before_id) AS TEXT))
  AND (CAST(sqlc.arg(endpoint) AS TEXT) = '' OR endpoint = CAST(sqlc.arg(endpoint) AS TEXT))
  AND (CAST(sqlc.arg(failed) AS BIGINT) = 0 OR NOT acknowledged)
ORDER BY at_ms DESC, id DESC
LIMIT sqlc.arg(row_limit);

-- name: GetCallback :one
-- GetCallback reads one attempt.
SELECT
    merchant_id, at_ms, id, out_trade_no, event, attempt, endpoint, target, authen_key, request,
    acknowledged, http_status, reply, error, took_ms
FROM callback_attempts
WHERE merchant_id = sqlc.arg(merchant_id) AND at_ms = sqlc.arg(at_ms) AND id = sqlc.arg(id);

-- name: ListSentEvents :many
-- ListSentEvents reads which events of a merchant were sent in a time, each
-- once, from after a given one.
SELECT out_trade_no, event
FROM callback_attempts
WHERE merchant_id = sqlc.arg(merchant_id) AND at_ms >= sqlc.arg(from_ms) AND at_ms < sqlc.arg(to_ms) AND out_trade_no <> ''
  AND (out_trade_no, event) > (CAST(sqlc.arg(after_order) AS TEXT), CAST(sqlc.arg(after_event) AS TEXT))
GROUP BY out_trade_no, event
ORDER BY out_trade_no, event
LIMIT sqlc.arg(row_limit);

-- name: CountOldCallbacks :one
-- CountOldCallbacks counts attempts of before a time, at most as many as asked.
SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT a.at_ms FROM callback_attempts AS a WHERE a.at_ms < sqlc.arg(before_ms) ORDER BY a.at_ms LIMIT sqlc.arg(row_limit)
) AS old;

-- name: PurgeCallbacks :execrows
-- PurgeCallbacks deletes the oldest attempts of before a time.
DELETE FROM callback_attempts WHERE (merchant_id, at_ms, id) IN (
    SELECT a.merchant_id, a.at_ms, a.id FROM callback_attempts AS a
    WHERE a.at_ms < sqlc.arg(before_ms) ORDER BY a.at_ms LIMIT sqlc.arg(row_limit)
);
