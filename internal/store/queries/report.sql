-- name: InsertReportMark :execrows
-- InsertReportMark makes the mark of a merchant that was never folded.
INSERT INTO report_marks (merchant_id, folded_ms, swept_ms, unit)
VALUES (sqlc.arg(merchant_id), 0, 0, '')
ON CONFLICT DO NOTHING;

-- name: GetReportMark :one
-- GetReportMark reads how far a merchant is folded.
SELECT merchant_id, folded_ms, swept_ms, unit FROM report_marks WHERE merchant_id = sqlc.arg(merchant_id);

-- name: MoveReportMark :execrows
-- MoveReportMark begins a fold, if nobody has folded since the caller looked.
UPDATE report_marks SET folded_ms = sqlc.arg(folded_ms), swept_ms = sqlc.arg(swept_ms), unit = sqlc.arg(unit)
WHERE merchant_id = sqlc.arg(merchant_id) AND unit = sqlc.arg(from_unit) AND folded_ms = sqlc.arg(from_ms);

-- name: NextOrderUpdate :one
-- NextOrderUpdate reads when the n-th order after a moment was written.
SELECT o.updated_ms FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.updated_ms >= sqlc.arg(from_ms) AND o.updated_ms < sqlc.arg(to_ms)
ORDER BY o.updated_ms
LIMIT 1 OFFSET sqlc.arg(row_offset);

-- name: NextRefundUpdate :one
-- NextRefundUpdate is NextOrderUpdate for refunds.
SELECT r.updated_ms FROM refunds AS r
WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.updated_ms >= sqlc.arg(from_ms) AND r.updated_ms < sqlc.arg(to_ms)
ORDER BY r.updated_ms
LIMIT 1 OFFSET sqlc.arg(row_offset);

-- name: CountReportLate :one
-- CountReportLate counts what was written in a span of time and is not folded
-- as it stands now.
SELECT CAST((
    SELECT COUNT(*) FROM orders AS o
    LEFT JOIN report_entries AS e ON e.merchant_id = o.merchant_id AND e.kind = 1 AND e.number = o.out_trade_no
    WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.updated_ms >= sqlc.arg(from_ms) AND o.updated_ms < sqlc.arg(to_ms)
      AND (e.version IS NULL OR e.version <> o.unit)
) + (
    SELECT COUNT(*) FROM refunds AS r
    LEFT JOIN report_entries AS e ON e.merchant_id = r.merchant_id AND e.kind = 2 AND e.number = r.out_refund_no
    WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.updated_ms >= sqlc.arg(from_ms) AND r.updated_ms < sqlc.arg(to_ms)
      AND (e.version IS NULL OR e.version <> r.unit)
) AS BIGINT) AS late;

-- name: ListReportMerchants :many
-- ListReportMerchants reads merchants in the order of their ids, for folding.
SELECT m.id FROM merchants AS m WHERE m.id > sqlc.arg(after) ORDER BY m.id LIMIT sqlc.arg(row_limit);

-- name: StageReportOrders :execrows
-- StageReportOrders reads the orders written in a span of time whose present
-- version is not folded yet. It is the one look at them: what follows in the
-- unit reads only rows that nobody else writes.
INSERT INTO report_stage (
    merchant_id, kind, number, version, shop_id, staff_id, device_id, qrcode_id, source_type, channel, trade_type,
    terminal_type, sub_terminal_type, created_ms, paid_ms, undone_ms, ok, counted, amount, settle, refunded, rate
)
SELECT
    v.merchant_id, 1, v.number, v.version, v.shop_id, v.staff_id, v.device_id, v.qrcode_id, v.source_type, v.channel,
    v.trade_type, v.terminal_type, v.sub_terminal_type, v.created_ms, v.paid_ms, v.undone_ms, v.ok, v.counted, v.amount,
    v.settle, v.refunded, COALESCE(e.rate, CAST(sqlc.arg(rate) AS BIGINT))
FROM report_orders AS v
LEFT JOIN report_entries AS e ON e.merchant_id = v.merchant_id AND e.kind = 1 AND e.number = v.number
WHERE v.merchant_id = sqlc.arg(merchant_id) AND v.updated_ms >= sqlc.arg(from_ms) AND v.updated_ms < sqlc.arg(to_ms)
  AND (e.version IS NULL OR e.version <> v.version)
  AND EXISTS (SELECT 1 FROM report_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit));

-- name: StageReportRefunds :execrows
-- StageReportRefunds is StageReportOrders for refunds.
INSERT INTO report_stage (
    merchant_id, kind, number, version, shop_id, staff_id, device_id, qrcode_id, source_type, channel, trade_type,
    terminal_type, sub_terminal_type, created_ms, paid_ms, undone_ms, ok, counted, amount, settle, refunded, rate
)
SELECT
    v.merchant_id, 2, v.number, v.version, v.shop_id, v.staff_id, v.device_id, v.qrcode_id, v.source_type, v.channel,
    v.trade_type, v.terminal_type, v.sub_terminal_type, v.created_ms, v.paid_ms, v.undone_ms, v.ok, v.counted, v.amount,
    v.settle, v.refunded, COALESCE(e.rate, CAST(sqlc.arg(rate) AS BIGINT))
FROM report_refunds AS v
LEFT JOIN report_entries AS e ON e.merchant_id = v.merchant_id AND e.kind = 2 AND e.number = v.number
WHERE v.merchant_id = sqlc.arg(merchant_id) AND v.updated_ms >= sqlc.arg(from_ms) AND v.updated_ms < sqlc.arg(to_ms)
  AND (e.version IS NULL OR e.version <> v.version)
  AND EXISTS (SELECT 1 FROM report_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit));

-- name: InsertReportDims :execrows
-- InsertReportDims numbers the combinations that were never seen. Only the
-- holder of the mark runs it, so no number is given twice.
INSERT INTO report_dims (
    merchant_id, dim, level, shop_id, staff_id, device_id, qrcode_id, source_type, channel, trade_type, terminal_type,
    sub_terminal_type
)
SELECT
    n.merchant_id,
    CAST((SELECT COALESCE(MAX(x.dim), 0) FROM report_dims AS x WHERE x.merchant_id = sqlc.arg(merchant_id)) AS BIGINT)
        + ROW_NUMBER() OVER (ORDER BY n.level, n.shop_id, n.staff_id, n.device_id, n.qrcode_id, n.source_type, n.channel,
            n.trade_type, n.terminal_type, n.sub_terminal_type),
    n.level, n.shop_id, n.staff_id, n.device_id, n.qrcode_id, n.source_type, n.channel, n.trade_type, n.terminal_type,
    n.sub_terminal_type
FROM (
    SELECT DISTINCT
        t.merchant_id, l.level, CASE WHEN l.level = 0 THEN '' ELSE t.shop_id END AS shop_id,
        CASE WHEN l.level = 2 THEN t.staff_id ELSE '' END AS staff_id,
        CASE WHEN l.level = 2 THEN t.device_id ELSE '' END AS device_id,
        CASE WHEN l.level = 2 THEN t.qrcode_id ELSE '' END AS qrcode_id,
        t.source_type, t.channel, t.trade_type, t.terminal_type, t.sub_terminal_type
    FROM report_stage AS t
    CROSS JOIN (SELECT 0 AS level UNION ALL SELECT 1 UNION ALL SELECT 2) AS l
    WHERE t.merchant_id = sqlc.arg(merchant_id)
) AS n
WHERE EXISTS (SELECT 1 FROM report_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit))
  AND NOT EXISTS (
      SELECT 1 FROM report_dims AS d
      WHERE d.merchant_id = n.merchant_id AND d.level = n.level AND d.shop_id = n.shop_id AND d.staff_id = n.staff_id
        AND d.device_id = n.device_id AND d.qrcode_id = n.qrcode_id AND d.source_type = n.source_type
        AND d.channel = n.channel AND d.trade_type = n.trade_type AND d.terminal_type = n.terminal_type
        AND d.sub_terminal_type = n.sub_terminal_type
  );

-- name: AddReportCells :execrows
-- AddReportCells adds the entries of what is staged to the cells, or with sign
-- -1 takes them out, always from the stage to the entries by their key. Days stand at all levels; finer spans only where a page or
-- the edge of a range needs them (internal/report).
INSERT INTO report_cells (
    merchant_id, dim, axis, span_ms, start_ms, orders, order_oks, refunds, refund_oks, paid_count, paid_amount,
    paid_settle, paid_fee, undone_count, undone_amount, undone_settle, undone_fee, back_count, back_amount, back_settle,
    back_fee, refunded
)
SELECT
    x.merchant_id, CASE s.level WHEN 0 THEN x.dim0 WHEN 1 THEN x.dim1 ELSE x.dim2 END AS dim, x.axis, s.span_ms,
    ((x.at_ms + 28800000) / s.span_ms) * s.span_ms - 28800000 AS start_ms,
    SUM(x.sign * x.listed * x.is_order), SUM(x.sign * x.listed * x.is_order * x.ok),
    SUM(x.sign * x.listed * x.is_refund), SUM(x.sign * x.listed * x.is_refund * x.ok),
    SUM(x.sign * x.listed * x.is_order * x.counted), SUM(x.sign * x.listed * x.is_order * x.amount),
    SUM(x.sign * x.listed * x.is_order * x.settle), SUM(x.sign * x.listed * x.is_order * x.fee),
    SUM(x.sign * x.undone * x.counted), SUM(x.sign * x.undone * x.amount),
    SUM(x.sign * x.undone * x.settle), SUM(x.sign * x.undone * x.fee),
    SUM(x.sign * x.listed * x.is_refund * x.counted), SUM(x.sign * x.listed * x.is_refund * x.amount),
    SUM(x.sign * x.listed * x.is_refund * x.settle), SUM(x.sign * x.listed * x.is_refund * x.fee),
    SUM(x.sign * x.listed * x.refunded)
FROM (
    SELECT e.merchant_id, e.dim0, e.dim1, e.dim2, 1 AS axis, e.created_ms AS at_ms, 1 AS listed,
        CASE WHEN e.undone_ms > 0 THEN 1 ELSE 0 END AS undone, 2 - e.kind AS is_order, e.kind - 1 AS is_refund, e.ok,
        e.counted, e.amount, e.settle, e.fee, e.refunded, CAST(sqlc.arg(sign) AS BIGINT) AS sign
    FROM report_stage AS t
    CROSS JOIN report_entries AS e
    WHERE t.merchant_id = sqlc.arg(merchant_id) AND e.merchant_id = t.merchant_id AND e.kind = t.kind AND e.number = t.number
    UNION ALL
    SELECT e.merchant_id, e.dim0, e.dim1, e.dim2, 2, e.paid_ms, 1, 0, 2 - e.kind, e.kind - 1, e.ok, e.counted, e.amount,
        e.settle, e.fee, e.refunded, CAST(sqlc.arg(sign) AS BIGINT)
    FROM report_stage AS t
    CROSS JOIN report_entries AS e
    WHERE t.merchant_id = sqlc.arg(merchant_id) AND e.merchant_id = t.merchant_id AND e.kind = t.kind AND e.number = t.number
      AND e.paid_ms + 0 > 0
    UNION ALL
    SELECT e.merchant_id, e.dim0, e.dim1, e.dim2, 2, e.undone_ms, 0, 1, 0, 0, e.ok, e.counted, e.amount, e.settle, e.fee,
        0, CAST(sqlc.arg(sign) AS BIGINT)
    FROM report_stage AS t
    CROSS JOIN report_entries AS e
    WHERE t.merchant_id = sqlc.arg(merchant_id) AND e.merchant_id = t.merchant_id AND e.kind = t.kind AND e.number = t.number
      AND e.undone_ms + 0 > 0
) AS x
CROSS JOIN (
    SELECT 0 AS level, CAST(86400000 AS BIGINT) AS span_ms
    UNION ALL SELECT 0, CAST(600000 AS BIGINT)
    UNION ALL SELECT 1, CAST(86400000 AS BIGINT)
    UNION ALL SELECT 1, CAST(3600000 AS BIGINT)
    UNION ALL SELECT 2, CAST(86400000 AS BIGINT)
) AS s
WHERE EXISTS (SELECT 1 FROM report_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit))
GROUP BY 1, 2, 3, 4, 5
ON CONFLICT (merchant_id, dim, axis, span_ms, start_ms) DO UPDATE SET
    orders = report_cells.orders + excluded.orders,
    order_oks = report_cells.order_oks + excluded.order_oks,
    refunds = report_cells.refunds + excluded.refunds,
    refund_oks = report_cells.refund_oks + excluded.refund_oks,
    paid_count = report_cells.paid_count + excluded.paid_count,
    paid_amount = report_cells.paid_amount + excluded.paid_amount,
    paid_settle = report_cells.paid_settle + excluded.paid_settle,
    paid_fee = report_cells.paid_fee + excluded.paid_fee,
    undone_count = report_cells.undone_count + excluded.undone_count,
    undone_amount = report_cells.undone_amount + excluded.undone_amount,
    undone_settle = report_cells.undone_settle + excluded.undone_settle,
    undone_fee = report_cells.undone_fee + excluded.undone_fee,
    back_count = report_cells.back_count + excluded.back_count,
    back_amount = report_cells.back_amount + excluded.back_amount,
    back_settle = report_cells.back_settle + excluded.back_settle,
    back_fee = report_cells.back_fee + excluded.back_fee,
    refunded = report_cells.refunded + excluded.refunded;

-- name: PutStagedEntries :execrows
-- PutStagedEntries writes what is staged over what was folded before. The fee is rounded half up, per row.
INSERT INTO report_entries (
    merchant_id, kind, number, version, dim0, dim1, dim2, created_ms, paid_ms, undone_ms, ok, counted, amount, settle,
    fee, refunded, rate
)
SELECT
    t.merchant_id, t.kind, t.number, t.version, d0.dim, d1.dim, d2.dim, t.created_ms, t.paid_ms, t.undone_ms, t.ok,
    t.counted, t.amount, t.settle, (t.settle * t.rate + 500000) / 1000000, t.refunded, t.rate
FROM report_stage AS t
LEFT JOIN report_dims AS d0 ON d0.merchant_id = t.merchant_id AND d0.level = 0 AND d0.shop_id = '' AND d0.staff_id = ''
    AND d0.device_id = '' AND d0.qrcode_id = '' AND d0.source_type = t.source_type AND d0.channel = t.channel
    AND d0.trade_type = t.trade_type AND d0.terminal_type = t.terminal_type AND d0.sub_terminal_type = t.sub_terminal_type
LEFT JOIN report_dims AS d1 ON d1.merchant_id = t.merchant_id AND d1.level = 1 AND d1.shop_id = t.shop_id
    AND d1.staff_id = '' AND d1.device_id = '' AND d1.qrcode_id = '' AND d1.source_type = t.source_type
    AND d1.channel = t.channel AND d1.trade_type = t.trade_type AND d1.terminal_type = t.terminal_type
    AND d1.sub_terminal_type = t.sub_terminal_type
LEFT JOIN report_dims AS d2 ON d2.merchant_id = t.merchant_id AND d2.level = 2 AND d2.shop_id = t.shop_id
    AND d2.staff_id = t.staff_id AND d2.device_id = t.device_id AND d2.qrcode_id = t.qrcode_id
    AND d2.source_type = t.source_type AND d2.channel = t.channel AND d2.trade_type = t.trade_type
    AND d2.terminal_type = t.terminal_type AND d2.sub_terminal_type = t.sub_terminal_type
WHERE t.merchant_id = sqlc.arg(merchant_id)
  AND EXISTS (SELECT 1 FROM report_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit))
ON CONFLICT (merchant_id, kind, number) DO UPDATE SET
    version = excluded.version,
    dim0 = excluded.dim0,
    dim1 = excluded.dim1,
    dim2 = excluded.dim2,
    created_ms = excluded.created_ms,
    paid_ms = excluded.paid_ms,
    undone_ms = excluded.undone_ms,
    ok = excluded.ok,
    counted = excluded.counted,
    amount = excluded.amount,
    settle = excluded.settle,
    fee = excluded.fee,
    refunded = excluded.refunded,
    rate = excluded.rate;

-- name: ClearReportStage :execrows
-- ClearReportStage ends a fold.
DELETE FROM report_stage
WHERE report_stage.merchant_id = sqlc.arg(merchant_id)
  AND EXISTS (SELECT 1 FROM report_marks AS k WHERE k.merchant_id = sqlc.arg(merchant_id) AND k.unit = sqlc.arg(unit));

-- name: ListLiveOrders :many
-- ListLiveOrders reads the orders written since a moment whose present version
-- is not folded, each with what was folded of it; old_version is '' for none.
SELECT
    v.number, v.out_trade_no, v.version, v.shop_id, v.staff_id, v.device_id, v.qrcode_id, v.source_type, v.channel,
    v.trade_type, v.terminal_type, v.sub_terminal_type, v.payer_id, v.created_ms, v.paid_ms, v.undone_ms, v.ok, v.counted,
    v.amount, v.settle, v.refunded, COALESCE(e.version, '') AS old_version, COALESCE(e.created_ms, 0) AS old_created_ms,
    COALESCE(e.paid_ms, 0) AS old_paid_ms, COALESCE(e.undone_ms, 0) AS old_undone_ms, COALESCE(e.ok, 0) AS old_ok,
    COALESCE(e.counted, 0) AS old_counted, COALESCE(e.amount, 0) AS old_amount, COALESCE(e.settle, 0) AS old_settle,
    COALESCE(e.fee, 0) AS old_fee, COALESCE(e.refunded, 0) AS old_refunded, COALESCE(e.rate, 0) AS old_rate
FROM report_orders AS v
LEFT JOIN report_entries AS e ON e.merchant_id = v.merchant_id AND e.kind = 1 AND e.number = v.number
WHERE v.merchant_id = sqlc.arg(merchant_id) AND v.updated_ms >= sqlc.arg(from_ms)
  AND (e.version IS NULL OR e.version <> v.version)
LIMIT sqlc.arg(row_limit);

-- name: ListLiveRefunds :many
-- ListLiveRefunds is ListLiveOrders for refunds.
SELECT
    v.number, v.out_trade_no, v.version, v.shop_id, v.staff_id, v.device_id, v.qrcode_id, v.source_type, v.channel,
    v.trade_type, v.terminal_type, v.sub_terminal_type, v.payer_id, v.created_ms, v.paid_ms, v.undone_ms, v.ok, v.counted,
    v.amount, v.settle, v.refunded, COALESCE(e.version, '') AS old_version, COALESCE(e.created_ms, 0) AS old_created_ms,
    COALESCE(e.paid_ms, 0) AS old_paid_ms, COALESCE(e.undone_ms, 0) AS old_undone_ms, COALESCE(e.ok, 0) AS old_ok,
    COALESCE(e.counted, 0) AS old_counted, COALESCE(e.amount, 0) AS old_amount, COALESCE(e.settle, 0) AS old_settle,
    COALESCE(e.fee, 0) AS old_fee, COALESCE(e.refunded, 0) AS old_refunded, COALESCE(e.rate, 0) AS old_rate
FROM report_refunds AS v
LEFT JOIN report_entries AS e ON e.merchant_id = v.merchant_id AND e.kind = 2 AND e.number = v.number
WHERE v.merchant_id = sqlc.arg(merchant_id) AND v.updated_ms >= sqlc.arg(from_ms)
  AND (e.version IS NULL OR e.version <> v.version)
LIMIT sqlc.arg(row_limit);

-- name: GetReportOrder :many
-- GetReportOrder reads one order as a report sees it now.
SELECT
    v.number, v.out_trade_no, v.shop_id, v.staff_id, v.device_id, v.qrcode_id, v.source_type, v.channel, v.trade_type,
    v.terminal_type, v.sub_terminal_type, v.payer_id, v.created_ms, v.paid_ms, v.undone_ms, v.ok, v.counted, v.amount,
    v.settle, v.refunded, COALESCE(e.rate, CAST(sqlc.arg(rate) AS BIGINT)) AS rate
FROM report_orders AS v
LEFT JOIN report_entries AS e ON e.merchant_id = v.merchant_id AND e.kind = 1 AND e.number = v.number
WHERE v.merchant_id = sqlc.arg(merchant_id) AND v.number = sqlc.arg(number);

-- name: GetReportRefunds :many
-- GetReportRefunds reads one refund, or the refunds of one order, as a report
-- sees them now.
SELECT
    v.number, v.out_trade_no, v.shop_id, v.staff_id, v.device_id, v.qrcode_id, v.source_type, v.channel, v.trade_type,
    v.terminal_type, v.sub_terminal_type, v.payer_id, v.created_ms, v.paid_ms, v.undone_ms, v.ok, v.counted, v.amount,
    v.settle, v.refunded, COALESCE(e.rate, CAST(sqlc.arg(rate) AS BIGINT)) AS rate
FROM report_refunds AS v
LEFT JOIN report_entries AS e ON e.merchant_id = v.merchant_id AND e.kind = 2 AND e.number = v.number
WHERE v.merchant_id = sqlc.arg(merchant_id)
  AND v.number IN (
      SELECT r.out_refund_no FROM refunds AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.out_refund_no = sqlc.arg(out_refund_no)
      UNION
      SELECT r.out_refund_no FROM refunds AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.out_trade_no = sqlc.arg(out_trade_no)
  )
LIMIT sqlc.arg(row_limit);

-- name: ListReportCounts :many
-- ListReportCounts counts the rows of lists by span. It is ListReportCells for
-- every page, and measurably cheaper.
SELECT
    c.start_ms, CAST(SUM(c.orders) AS BIGINT) AS orders, CAST(SUM(c.order_oks) AS BIGINT) AS order_oks,
    CAST(SUM(c.refunds) AS BIGINT) AS refunds, CAST(SUM(c.refund_oks) AS BIGINT) AS refund_oks
FROM report_dims AS d
CROSS JOIN report_cells AS c
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND c.merchant_id = d.merchant_id AND c.dim = d.dim AND c.axis = sqlc.arg(axis) AND c.span_ms = sqlc.arg(span_ms)
  AND c.start_ms >= sqlc.arg(from_ms) AND c.start_ms < sqlc.arg(to_ms)
GROUP BY c.start_ms;

-- name: ListReportCells :many
-- ListReportCells sums the cells of a range, grouped by what the caller names
-- with a 1. Dims first, then their cells by key: CROSS JOIN tells SQLite so.
SELECT
    CAST(CASE WHEN CAST(sqlc.arg(by_start) AS BIGINT) = 1 THEN c.start_ms ELSE 0 END AS BIGINT) AS start_ms,
    CAST(CASE WHEN CAST(sqlc.arg(by_shop) AS BIGINT) = 1 THEN d.shop_id ELSE '' END AS TEXT) AS shop_id,
    CAST(CASE WHEN CAST(sqlc.arg(by_staff) AS BIGINT) = 1 THEN d.staff_id ELSE '' END AS TEXT) AS staff_id,
    CAST(CASE WHEN CAST(sqlc.arg(by_device) AS BIGINT) = 1 THEN d.device_id ELSE '' END AS TEXT) AS device_id,
    CAST(CASE WHEN CAST(sqlc.arg(by_qrcode) AS BIGINT) = 1 THEN d.qrcode_id ELSE '' END AS TEXT) AS qrcode_id,
    CAST(CASE WHEN CAST(sqlc.arg(by_source) AS BIGINT) = 1 THEN d.source_type ELSE 0 END AS BIGINT) AS source_type,
    CAST(CASE WHEN CAST(sqlc.arg(by_channel) AS BIGINT) = 1 THEN d.channel ELSE '' END AS TEXT) AS channel,
    CAST(CASE WHEN CAST(sqlc.arg(by_trade) AS BIGINT) = 1 THEN d.trade_type ELSE 0 END AS BIGINT) AS trade_type,
    CAST(SUM(c.orders) AS BIGINT) AS orders,
    CAST(SUM(c.order_oks) AS BIGINT) AS order_oks,
    CAST(SUM(c.refunds) AS BIGINT) AS refunds,
    CAST(SUM(c.refund_oks) AS BIGINT) AS refund_oks,
    CAST(SUM(c.paid_count) AS BIGINT) AS paid_count,
    CAST(SUM(c.paid_amount) AS BIGINT) AS paid_amount,
    CAST(SUM(c.paid_settle) AS BIGINT) AS paid_settle,
    CAST(SUM(c.paid_fee) AS BIGINT) AS paid_fee,
    CAST(SUM(c.undone_count) AS BIGINT) AS undone_count,
    CAST(SUM(c.undone_amount) AS BIGINT) AS undone_amount,
    CAST(SUM(c.undone_settle) AS BIGINT) AS undone_settle,
    CAST(SUM(c.undone_fee) AS BIGINT) AS undone_fee,
    CAST(SUM(c.back_count) AS BIGINT) AS back_count,
    CAST(SUM(c.back_amount) AS BIGINT) AS back_amount,
    CAST(SUM(c.back_settle) AS BIGINT) AS back_settle,
    CAST(SUM(c.back_fee) AS BIGINT) AS back_fee,
    CAST(SUM(c.refunded) AS BIGINT) AS refunded
FROM report_dims AS d
CROSS JOIN report_cells AS c
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND c.merchant_id = d.merchant_id AND c.dim = d.dim AND c.axis = sqlc.arg(axis) AND c.span_ms = sqlc.arg(span_ms)
  AND c.start_ms >= sqlc.arg(from_ms) AND c.start_ms < sqlc.arg(to_ms)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;

-- name: PageEntriesCreated0 :many
-- PageEntriesCreated0 reads a piece of a list, newest first; at one time refunds before orders, then by number. kind + 0
-- keeps SQLite from the primary key.
SELECT e.kind, e.number, e.rate, e.created_ms AS at_ms
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim0 = d.dim AND e.created_ms >= sqlc.arg(from_ms) AND e.created_ms < sqlc.arg(to_ms)
  AND e.kind + 0 >= CAST(sqlc.arg(min_kind) AS BIGINT) AND e.kind + 0 <= CAST(sqlc.arg(max_kind) AS BIGINT) AND e.ok >= sqlc.arg(min_ok)
ORDER BY e.created_ms DESC, e.kind DESC, e.number DESC
LIMIT sqlc.arg(row_limit) OFFSET sqlc.arg(row_offset);

-- name: PageEntriesCreated2 :many
-- PageEntriesCreated2 is PageEntriesCreated0 by created_ms and dim2.
SELECT e.kind, e.number, e.rate, e.created_ms AS at_ms
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim2 = d.dim AND e.created_ms >= sqlc.arg(from_ms) AND e.created_ms < sqlc.arg(to_ms)
  AND e.kind + 0 >= CAST(sqlc.arg(min_kind) AS BIGINT) AND e.kind + 0 <= CAST(sqlc.arg(max_kind) AS BIGINT) AND e.ok >= sqlc.arg(min_ok)
ORDER BY e.created_ms DESC, e.kind DESC, e.number DESC
LIMIT sqlc.arg(row_limit) OFFSET sqlc.arg(row_offset);

-- name: PageEntriesPaid0 :many
-- PageEntriesPaid0 is PageEntriesCreated0 by paid_ms and dim0.
SELECT e.kind, e.number, e.rate, e.paid_ms AS at_ms
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim0 = d.dim AND e.paid_ms >= sqlc.arg(from_ms) AND e.paid_ms < sqlc.arg(to_ms)
  AND e.kind + 0 >= CAST(sqlc.arg(min_kind) AS BIGINT) AND e.kind + 0 <= CAST(sqlc.arg(max_kind) AS BIGINT) AND e.ok >= sqlc.arg(min_ok)
ORDER BY e.paid_ms DESC, e.kind DESC, e.number DESC
LIMIT sqlc.arg(row_limit) OFFSET sqlc.arg(row_offset);

-- name: PageEntriesPaid2 :many
-- PageEntriesPaid2 is PageEntriesCreated0 by paid_ms and dim2.
SELECT e.kind, e.number, e.rate, e.paid_ms AS at_ms
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim2 = d.dim AND e.paid_ms >= sqlc.arg(from_ms) AND e.paid_ms < sqlc.arg(to_ms)
  AND e.kind + 0 >= CAST(sqlc.arg(min_kind) AS BIGINT) AND e.kind + 0 <= CAST(sqlc.arg(max_kind) AS BIGINT) AND e.ok >= sqlc.arg(min_ok)
ORDER BY e.paid_ms DESC, e.kind DESC, e.number DESC
LIMIT sqlc.arg(row_limit) OFFSET sqlc.arg(row_offset);

-- name: EdgeEntriesCreated0 :many
-- EdgeEntriesCreated0 reads the entries of a piece of time too short for cells, by created_ms and dim0.
SELECT e.kind, e.number, d.shop_id, d.staff_id, d.device_id, d.qrcode_id, d.source_type, d.channel, d.trade_type, e.created_ms,
    e.paid_ms, e.undone_ms, e.ok, e.counted, e.amount, e.settle, e.fee, e.refunded
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim0 = d.dim AND e.created_ms >= sqlc.arg(from_ms) AND e.created_ms < sqlc.arg(to_ms)
LIMIT sqlc.arg(row_limit);

-- name: EdgeEntriesCreated2 :many
-- EdgeEntriesCreated2 reads the entries of a piece of time too short for cells, by created_ms and dim2.
SELECT e.kind, e.number, d.shop_id, d.staff_id, d.device_id, d.qrcode_id, d.source_type, d.channel, d.trade_type, e.created_ms,
    e.paid_ms, e.undone_ms, e.ok, e.counted, e.amount, e.settle, e.fee, e.refunded
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim2 = d.dim AND e.created_ms >= sqlc.arg(from_ms) AND e.created_ms < sqlc.arg(to_ms)
LIMIT sqlc.arg(row_limit);

-- name: EdgeEntriesPaid0 :many
-- EdgeEntriesPaid0 reads the entries of a piece of time too short for cells, by paid_ms and dim0.
SELECT e.kind, e.number, d.shop_id, d.staff_id, d.device_id, d.qrcode_id, d.source_type, d.channel, d.trade_type, e.created_ms,
    e.paid_ms, e.undone_ms, e.ok, e.counted, e.amount, e.settle, e.fee, e.refunded
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim0 = d.dim AND e.paid_ms >= sqlc.arg(from_ms) AND e.paid_ms < sqlc.arg(to_ms)
LIMIT sqlc.arg(row_limit);

-- name: EdgeEntriesPaid2 :many
-- EdgeEntriesPaid2 reads the entries of a piece of time too short for cells, by paid_ms and dim2.
SELECT e.kind, e.number, d.shop_id, d.staff_id, d.device_id, d.qrcode_id, d.source_type, d.channel, d.trade_type, e.created_ms,
    e.paid_ms, e.undone_ms, e.ok, e.counted, e.amount, e.settle, e.fee, e.refunded
FROM report_dims AS d
CROSS JOIN report_entries AS e
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim2 = d.dim AND e.paid_ms >= sqlc.arg(from_ms) AND e.paid_ms < sqlc.arg(to_ms)
LIMIT sqlc.arg(row_limit);

-- name: EdgeEntriesUndone :many
-- EdgeEntriesUndone reads the entries of a piece of time too short for cells, by undone_ms.
SELECT e.kind, e.number, d.shop_id, d.staff_id, d.device_id, d.qrcode_id, d.source_type, d.channel, d.trade_type, e.created_ms,
    e.paid_ms, e.undone_ms, e.ok, e.counted, e.amount, e.settle, e.fee, e.refunded
FROM report_entries AS e
CROSS JOIN report_dims AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = 2
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim2 = d.dim AND e.undone_ms >= sqlc.arg(from_ms) AND e.undone_ms < sqlc.arg(to_ms) AND e.merchant_id = sqlc.arg(merchant_id) AND e.undone_ms > 0
LIMIT sqlc.arg(row_limit);

-- name: ListPayers0 :many
-- ListPayers0 reads who paid the orders that stand as paid, each once, by paid_ms and dim0.
SELECT DISTINCT o.payer_id
FROM report_dims AS d
CROSS JOIN report_entries AS e
CROSS JOIN orders AS o
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim0 = d.dim AND e.paid_ms >= sqlc.arg(from_ms) AND e.paid_ms < sqlc.arg(to_ms)
  AND e.kind + 0 = 1 AND o.merchant_id = e.merchant_id AND o.out_trade_no = e.number AND o.state = 'PAID' AND o.payer_id <> ''
LIMIT sqlc.arg(row_limit);

-- name: ListPayers2 :many
-- ListPayers2 reads who paid the orders that stand as paid, each once, by paid_ms and dim2.
SELECT DISTINCT o.payer_id
FROM report_dims AS d
CROSS JOIN report_entries AS e
CROSS JOIN orders AS o
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = sqlc.arg(level)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT))
  AND (CAST(sqlc.arg(staff_id) AS TEXT) = '' OR d.staff_id = CAST(sqlc.arg(staff_id) AS TEXT))
  AND (CAST(sqlc.arg(device_id) AS TEXT) = '' OR d.device_id = CAST(sqlc.arg(device_id) AS TEXT))
  AND (CAST(sqlc.arg(qrcode_id) AS TEXT) = '' OR d.qrcode_id = CAST(sqlc.arg(qrcode_id) AS TEXT))
  AND (CAST(sqlc.arg(source_type) AS BIGINT) = 0 OR d.source_type = CAST(sqlc.arg(source_type) AS BIGINT))
  AND (CAST(sqlc.arg(channel) AS TEXT) = '' OR d.channel = CAST(sqlc.arg(channel) AS TEXT))
  AND (CAST(sqlc.arg(trade_type) AS BIGINT) = 0 OR d.trade_type = CAST(sqlc.arg(trade_type) AS BIGINT))
  AND (CAST(sqlc.arg(terminal_type) AS BIGINT) = 0 OR d.terminal_type = CAST(sqlc.arg(terminal_type) AS BIGINT))
  AND (CAST(sqlc.arg(sub_terminal_type) AS BIGINT) = 0 OR d.sub_terminal_type = CAST(sqlc.arg(sub_terminal_type) AS BIGINT))
  AND e.merchant_id = d.merchant_id AND e.dim2 = d.dim AND e.paid_ms >= sqlc.arg(from_ms) AND e.paid_ms < sqlc.arg(to_ms)
  AND e.kind + 0 = 1 AND o.merchant_id = e.merchant_id AND o.out_trade_no = e.number AND o.state = 'PAID' AND o.payer_id <> ''
LIMIT sqlc.arg(row_limit);

-- name: ListOrdersByNumber :many
-- ListOrdersByNumber reads the orders of a piece of a page. Numbers may repeat.
SELECT
    merchant_id, out_trade_no, state, unit, code_held, total, reserved, refunded, provider_id, channel,
    trade_type, currency, fingerprint, code_hash, shop_id, device_id, staff_id, body, notify_url, extra,
    transaction_id, sent_ms, created_ms, updated_ms, ask_ms, seen, truth, settlement, cash, payer_id,
    bank_type, paid_ms, code, reason, text, late, finished, refund_sent_ms, asked_ms, asks, unpaid_ms,
    missing_ms, reverse_sent_ms, reversed_ms, reverse_tries, reverse_pause_ms, no_reverse, stopped, duplicate,
    reverse_ask, watch, reverse_done, refund_instead, paid_seen, reverse_gone, terminal_type, sub_terminal_type,
    qrcode_id, source_type, authen, expire_ms, prepaid, promo, settle, hold_late
FROM orders
WHERE merchant_id = sqlc.arg(merchant_id)
  AND out_trade_no IN (sqlc.arg(n1), sqlc.arg(n2), sqlc.arg(n3), sqlc.arg(n4), sqlc.arg(n5), sqlc.arg(n6), sqlc.arg(n7), sqlc.arg(n8), sqlc.arg(n9), sqlc.arg(n10), sqlc.arg(n11), sqlc.arg(n12), sqlc.arg(n13), sqlc.arg(n14), sqlc.arg(n15), sqlc.arg(n16), sqlc.arg(n17), sqlc.arg(n18), sqlc.arg(n19), sqlc.arg(n20));

-- name: ListRefundsByNumber :many
-- ListRefundsByNumber reads the refunds of a piece of a page. Numbers may repeat.
SELECT
    merchant_id, out_refund_no, out_trade_no, channel, state, origin, unit, open_unit, total, amount, reason,
    notify_url, extra, refund_id, settlement, cash, recv_account, succeeded_ms, sent_ms, tried_ms, tries,
    accepted, unanswered, refused, do_act, do_ms, missing_ms, created_ms, updated_ms, code, text, shop_id,
    device_id, staff_id, authorized_by, trade_type, terminal_type, sub_terminal_type, authen, account, promo
FROM refunds
WHERE merchant_id = sqlc.arg(merchant_id)
  AND out_refund_no IN (sqlc.arg(n1), sqlc.arg(n2), sqlc.arg(n3), sqlc.arg(n4), sqlc.arg(n5), sqlc.arg(n6), sqlc.arg(n7), sqlc.arg(n8), sqlc.arg(n9), sqlc.arg(n10), sqlc.arg(n11), sqlc.arg(n12), sqlc.arg(n13), sqlc.arg(n14), sqlc.arg(n15), sqlc.arg(n16), sqlc.arg(n17), sqlc.arg(n18), sqlc.arg(n19), sqlc.arg(n20));

-- name: LastFoldedTrade :one
-- LastFoldedTrade reads when an order of a shop, or of the merchant, was last
-- paid, as far as is folded; 0 for never. It looks at one end of each dim.
SELECT CAST(COALESCE(MAX((
    SELECT MAX(e.paid_ms) FROM report_entries AS e
    WHERE e.merchant_id = d.merchant_id AND e.dim2 = d.dim
)), 0) AS BIGINT) AS last_ms
FROM report_dims AS d
WHERE d.merchant_id = sqlc.arg(merchant_id) AND d.level = 2
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR d.shop_id = CAST(sqlc.arg(shop_id) AS TEXT));

-- name: LastLiveTrade :one
-- LastLiveTrade is LastFoldedTrade for what was written since a moment.
SELECT CAST(COALESCE(MAX(o.paid_ms), 0) AS BIGINT) AS last_ms
FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.updated_ms >= sqlc.arg(from_ms)
  AND (CAST(sqlc.arg(shop_id) AS TEXT) = '' OR o.shop_id = CAST(sqlc.arg(shop_id) AS TEXT));
