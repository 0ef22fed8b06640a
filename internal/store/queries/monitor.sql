-- name: UseMonitor :execrows
-- UseMonitor takes room for records of one device on one day, if there is any.
-- It is the first statement of its unit: no row means that nothing is kept.
INSERT INTO monitor_usage (merchant_id, device, day, records, bytes, unit)
VALUES (sqlc.arg(merchant_id), sqlc.arg(device), sqlc.arg(day), sqlc.arg(records), sqlc.arg(bytes), sqlc.arg(unit))
ON CONFLICT (merchant_id, device, day) DO UPDATE SET
    records = monitor_usage.records + excluded.records, bytes = monitor_usage.bytes + excluded.bytes, unit = excluded.unit
WHERE monitor_usage.records + excluded.records <= CAST(sqlc.arg(max_records) AS BIGINT)
  AND monitor_usage.bytes + excluded.bytes <= CAST(sqlc.arg(max_bytes) AS BIGINT);

-- name: UseMonitorOfUnit :execrows
-- UseMonitorOfUnit takes the same room of the merchant, if this unit has taken
-- it of the device.
INSERT INTO monitor_usage (merchant_id, device, day, records, bytes, unit)
SELECT d.merchant_id, '', d.day, CAST(sqlc.arg(records) AS BIGINT), CAST(sqlc.arg(bytes) AS BIGINT), d.unit
FROM monitor_usage AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.device = sqlc.arg(device) AND d.day = sqlc.arg(day) AND d.unit = sqlc.arg(unit)
ON CONFLICT (merchant_id, device, day) DO UPDATE SET
    records = monitor_usage.records + excluded.records, bytes = monitor_usage.bytes + excluded.bytes, unit = excluded.unit
WHERE monitor_usage.records + excluded.records <= CAST(sqlc.arg(max_records) AS BIGINT)
  AND monitor_usage.bytes + excluded.bytes <= CAST(sqlc.arg(max_bytes) AS BIGINT);

-- name: GetMonitorUsage :one
-- GetMonitorUsage reads what was kept on one day.
SELECT records, bytes FROM monitor_usage
WHERE merchant_id = sqlc.arg(merchant_id) AND device = sqlc.arg(device) AND day = sqlc.arg(day);

-- name: PutMonitorRecordOfUnit :execrows
-- PutMonitorRecordOfUnit adds a record, if this unit has taken room for it.
INSERT INTO monitor_records (merchant_id, at_ms, id, kind, shop_id, device_id, sn, order_no, interface, domain,
    status, log_id, started_ms, cost_ms, body)
SELECT d.merchant_id, CAST(sqlc.arg(at_ms) AS BIGINT), CAST(sqlc.arg(id) AS TEXT), CAST(sqlc.arg(kind) AS TEXT),
    CAST(sqlc.arg(shop_id) AS TEXT), CAST(sqlc.arg(device_id) AS TEXT), CAST(sqlc.arg(sn) AS TEXT),
    CAST(sqlc.arg(order_no) AS TEXT), CAST(sqlc.arg(interface) AS TEXT), CAST(sqlc.arg(domain) AS TEXT),
    CAST(sqlc.arg(status) AS BIGINT), CAST(sqlc.arg(log_id) AS BIGINT), CAST(sqlc.arg(started_ms) AS BIGINT),
    CAST(sqlc.arg(cost_ms) AS BIGINT), CAST(sqlc.arg(body) AS TEXT)
FROM monitor_usage AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.device = sqlc.arg(device) AND d.day = sqlc.arg(day) AND d.unit = sqlc.arg(unit);

-- name: HasMonitorRecord :one
-- HasMonitorRecord reads whether a record is there.
SELECT CAST(COUNT(*) AS BIGINT) FROM monitor_records
WHERE merchant_id = sqlc.arg(merchant_id) AND at_ms = sqlc.arg(at_ms) AND id = sqlc.arg(id);

-- name: AddMonitorLatencyOfUnit :execrows
-- AddMonitorLatencyOfUnit counts calls of one hour, if this unit has taken room.
INSERT INTO monitor_latency (merchant_id, hour_ms, interface, domain, status,
    c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, c12, c13, c14, c15, c16, max_ms)
SELECT d.merchant_id, CAST(sqlc.arg(hour_ms) AS BIGINT), CAST(sqlc.arg(interface) AS TEXT), CAST(sqlc.arg(domain) AS TEXT),
    CAST(sqlc.arg(status) AS TEXT),
    CAST(sqlc.arg(c0) AS BIGINT), CAST(sqlc.arg(c1) AS BIGINT), CAST(sqlc.arg(c2) AS BIGINT), CAST(sqlc.arg(c3) AS BIGINT),
    CAST(sqlc.arg(c4) AS BIGINT), CAST(sqlc.arg(c5) AS BIGINT), CAST(sqlc.arg(c6) AS BIGINT), CAST(sqlc.arg(c7) AS BIGINT),
    CAST(sqlc.arg(c8) AS BIGINT), CAST(sqlc.arg(c9) AS BIGINT), CAST(sqlc.arg(c10) AS BIGINT), CAST(sqlc.arg(c11) AS BIGINT),
    CAST(sqlc.arg(c12) AS BIGINT), CAST(sqlc.arg(c13) AS BIGINT), CAST(sqlc.arg(c14) AS BIGINT), CAST(sqlc.arg(c15) AS BIGINT),
    CAST(sqlc.arg(c16) AS BIGINT),
    CAST(sqlc.arg(max_ms) AS BIGINT)
FROM monitor_usage AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.device = sqlc.arg(device) AND d.day = sqlc.arg(day) AND d.unit = sqlc.arg(unit)
ON CONFLICT (merchant_id, hour_ms, interface, domain, status) DO UPDATE SET
    c0 = monitor_latency.c0 + excluded.c0, c1 = monitor_latency.c1 + excluded.c1, c2 = monitor_latency.c2 + excluded.c2,
    c3 = monitor_latency.c3 + excluded.c3, c4 = monitor_latency.c4 + excluded.c4, c5 = monitor_latency.c5 + excluded.c5,
    c6 = monitor_latency.c6 + excluded.c6, c7 = monitor_latency.c7 + excluded.c7, c8 = monitor_latency.c8 + excluded.c8,
    c9 = monitor_latency.c9 + excluded.c9, c10 = monitor_latency.c10 + excluded.c10, c11 = monitor_latency.c11 + excluded.c11,
    c12 = monitor_latency.c12 + excluded.c12, c13 = monitor_latency.c13 + excluded.c13, c14 = monitor_latency.c14 + excluded.c14,
    c15 = monitor_latency.c15 + excluded.c15, c16 = monitor_latency.c16 + excluded.c16,
    max_ms = CASE WHEN excluded.max_ms > monitor_latency.max_ms THEN excluded.max_ms ELSE monitor_latency.max_ms END;

-- name: SumMonitorLatency :many
-- SumMonitorLatency reads figures summed over hours, and over merchants if
-- none is named.
SELECT interface, domain, status,
    CAST(SUM(c0) AS BIGINT) AS c0, CAST(SUM(c1) AS BIGINT) AS c1, CAST(SUM(c2) AS BIGINT) AS c2,
    CAST(SUM(c3) AS BIGINT) AS c3, CAST(SUM(c4) AS BIGINT) AS c4, CAST(SUM(c5) AS BIGINT) AS c5,
    CAST(SUM(c6) AS BIGINT) AS c6, CAST(SUM(c7) AS BIGINT) AS c7, CAST(SUM(c8) AS BIGINT) AS c8,
    CAST(SUM(c9) AS BIGINT) AS c9, CAST(SUM(c10) AS BIGINT) AS c10, CAST(SUM(c11) AS BIGINT) AS c11,
    CAST(SUM(c12) AS BIGINT) AS c12, CAST(SUM(c13) AS BIGINT) AS c13, CAST(SUM(c14) AS BIGINT) AS c14,
    CAST(SUM(c15) AS BIGINT) AS c15, CAST(SUM(c16) AS BIGINT) AS c16,
    CAST(MAX(max_ms) AS BIGINT) AS max_ms
FROM monitor_latency
WHERE hour_ms >= sqlc.arg(from_ms) AND hour_ms < sqlc.arg(to_ms)
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
GROUP BY interface, domain, status
ORDER BY interface, domain, status
LIMIT sqlc.arg(row_limit);

-- name: ListMonitorByTime :many
-- ListMonitorByTime reads a merchant's records before a place, newest first.
SELECT merchant_id, at_ms, id, kind, shop_id, device_id, sn, order_no, interface, domain, status, log_id, started_ms, cost_ms, body
FROM monitor_records
WHERE merchant_id = sqlc.arg(merchant_id)
  AND at_ms >= sqlc.arg(from_ms)
  AND (at_ms, id) < (CAST(sqlc.arg(before_ms) AS BIGINT), CAST(sqlc.arg(before_id) AS TEXT))
ORDER BY at_ms DESC, id DESC
LIMIT sqlc.arg(row_limit);

-- name: ListMonitorByDevice :many
-- ListMonitorByDevice is ListMonitorByTime for one device.
SELECT merchant_id, at_ms, id, kind, shop_id, device_id, sn, order_no, interface, domain, status, log_id, started_ms, cost_ms, body
FROM monitor_records
WHERE merchant_id = sqlc.arg(merchant_id) AND device_id = sqlc.arg(device_id) AND device_id <> ''
  AND at_ms >= sqlc.arg(from_ms)
  AND (at_ms, id) < (CAST(sqlc.arg(before_ms) AS BIGINT), CAST(sqlc.arg(before_id) AS TEXT))
ORDER BY at_ms DESC, id DESC
LIMIT sqlc.arg(row_limit);

-- name: ListMonitorBySN :many
-- ListMonitorBySN is ListMonitorByTime for one serial number, of any merchant if none is named.
SELECT merchant_id, at_ms, id, kind, shop_id, device_id, sn, order_no, interface, domain, status, log_id, started_ms, cost_ms, body
FROM monitor_records
WHERE sn = sqlc.arg(sn) AND sn <> ''
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND at_ms >= sqlc.arg(from_ms)
  AND (at_ms, id) < (CAST(sqlc.arg(before_ms) AS BIGINT), CAST(sqlc.arg(before_id) AS TEXT))
ORDER BY at_ms DESC, id DESC
LIMIT sqlc.arg(row_limit);

-- name: ListMonitorByOrder :many
-- ListMonitorByOrder is ListMonitorByTime for one number, of any merchant if none is named.
SELECT merchant_id, at_ms, id, kind, shop_id, device_id, sn, order_no, interface, domain, status, log_id, started_ms, cost_ms, body
FROM monitor_records
WHERE order_no = sqlc.arg(order_no) AND order_no <> ''
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND at_ms >= sqlc.arg(from_ms)
  AND (at_ms, id) < (CAST(sqlc.arg(before_ms) AS BIGINT), CAST(sqlc.arg(before_id) AS TEXT))
ORDER BY at_ms DESC, id DESC
LIMIT sqlc.arg(row_limit);

-- name: ListMonitorByLogID :many
-- ListMonitorByLogID is ListMonitorByTime for one log_id, of any merchant if none is named.
SELECT merchant_id, at_ms, id, kind, shop_id, device_id, sn, order_no, interface, domain, status, log_id, started_ms, cost_ms, body
FROM monitor_records
WHERE log_id = sqlc.arg(log_id) AND log_id <> 0
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND at_ms >= sqlc.arg(from_ms)
  AND (at_ms, id) < (CAST(sqlc.arg(before_ms) AS BIGINT), CAST(sqlc.arg(before_id) AS TEXT))
ORDER BY at_ms DESC, id DESC
LIMIT sqlc.arg(row_limit);

-- name: CountOldMonitor :one
-- CountOldMonitor counts records of before a time, at most as many as asked.
SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT m.at_ms FROM monitor_records AS m WHERE m.at_ms < sqlc.arg(before_ms) ORDER BY m.at_ms LIMIT sqlc.arg(row_limit)
) AS old;

-- name: CountOldMonitorUsage :one
-- CountOldMonitorUsage counts usage of days before one, at most as many as asked.
SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT u.day FROM monitor_usage AS u WHERE u.day < sqlc.arg(before_day) ORDER BY u.day LIMIT sqlc.arg(row_limit)
) AS old;

-- name: CountOldMonitorLatency :one
-- CountOldMonitorLatency counts figures of hours before one, at most as many as asked.
SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT h.hour_ms FROM monitor_latency AS h WHERE h.hour_ms < sqlc.arg(before_ms) ORDER BY h.hour_ms LIMIT sqlc.arg(row_limit)
) AS old;

-- name: PurgeMonitorRecords :execrows
-- PurgeMonitorRecords deletes the oldest records of before a time.
DELETE FROM monitor_records WHERE (merchant_id, at_ms, id) IN (
    SELECT m.merchant_id, m.at_ms, m.id FROM monitor_records AS m
    WHERE m.at_ms < sqlc.arg(before_ms) ORDER BY m.at_ms LIMIT sqlc.arg(row_limit)
);

-- name: PurgeMonitorUsage :execrows
-- PurgeMonitorUsage deletes the usage of days before one.
DELETE FROM monitor_usage WHERE (merchant_id, device, day) IN (
    SELECT u.merchant_id, u.device, u.day FROM monitor_usage AS u
    WHERE u.day < sqlc.arg(before_day) ORDER BY u.day LIMIT sqlc.arg(row_limit)
);

-- name: PurgeMonitorLatency :execrows
-- PurgeMonitorLatency deletes the figures of hours before one.
DELETE FROM monitor_latency WHERE (merchant_id, hour_ms, interface, domain, status) IN (
    SELECT h.merchant_id, h.hour_ms, h.interface, h.domain, h.status FROM monitor_latency AS h
    WHERE h.hour_ms < sqlc.arg(before_ms) ORDER BY h.hour_ms LIMIT sqlc.arg(row_limit)
);
