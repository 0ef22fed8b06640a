-- Lists, overviews and statistics (docs/decisions/0018). A fold copies what
-- reports need of orders and refunds into entries, and sums entries into cells.
-- What was written since the last fold is read live, so that a report is right
-- at any moment. Everything here can be made again from orders and refunds.

-- +goose Up

-- What has changed since the last fold is found here. No other index of
-- reports is on the path of a payment.
CREATE INDEX orders_updated ON orders (merchant_id, updated_ms);
CREATE INDEX refunds_updated ON refunds (merchant_id, updated_ms);

-- Of indexes that cost the same, as all do while a table is new, PostgreSQL
-- takes the youngest. Payments must go by the key, so the keys are made again.
/*postgres: ALTER TABLE orders DROP CONSTRAINT orders_pkey, ADD CONSTRAINT orders_pkey PRIMARY KEY (merchant_id, out_trade_no) :postgres*/;
/*postgres: ALTER TABLE refunds DROP CONSTRAINT refunds_pkey, ADD CONSTRAINT refunds_pkey PRIMARY KEY (merchant_id, out_refund_no) :postgres*/;
DROP INDEX refunds_of_order;
CREATE INDEX refunds_of_order ON refunds (merchant_id, out_trade_no);

-- One row is what one order means to reports. counted says that the merchant
-- was credited, undone_ms when a reverse took it back, as the ledger has it: a
-- refund in place of the reverse is a row of its own. ok says that it stands as paid.
CREATE VIEW report_orders AS
SELECT
    o.merchant_id, o.out_trade_no AS number, o.out_trade_no, o.unit AS version, o.updated_ms, o.shop_id, o.staff_id,
    o.device_id, o.qrcode_id, o.source_type, o.channel, o.trade_type, o.terminal_type, o.sub_terminal_type, o.created_ms,
    o.paid_ms, o.payer_id,
    CAST(CASE WHEN o.state = 'REVERSED' AND o.paid_seen AND EXISTS (SELECT 1 FROM postings AS p
            WHERE p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no AND p.event = 'reversed')
        THEN CASE WHEN o.reverse_sent_ms > 0 THEN o.reverse_sent_ms ELSE o.paid_ms END ELSE 0 END AS BIGINT) AS undone_ms,
    CAST(CASE WHEN o.state = 'PAID' THEN 1 ELSE 0 END AS BIGINT) AS ok,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen THEN 1 ELSE 0 END AS BIGINT) AS counted,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen THEN o.total ELSE 0 END AS BIGINT) AS amount,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen THEN o.settlement ELSE 0 END AS BIGINT) AS settle,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen THEN o.refunded ELSE 0 END AS BIGINT) AS refunded
FROM orders AS o;

-- One row is what one refund means to reports. It stands where it was asked
-- for, or where the order was paid if nobody said. While its settlement is not
-- known it is its amount. Late money never was the merchant's, nor is its return.
CREATE VIEW report_refunds AS
SELECT
    r.merchant_id, r.out_refund_no AS number, r.out_trade_no, r.unit AS version, r.updated_ms,
    CAST(CASE WHEN r.shop_id = '' THEN o.shop_id ELSE r.shop_id END AS TEXT) AS shop_id,
    CAST(CASE WHEN r.shop_id = '' THEN o.staff_id ELSE r.staff_id END AS TEXT) AS staff_id,
    CAST(CASE WHEN r.shop_id = '' THEN o.device_id ELSE r.device_id END AS TEXT) AS device_id,
    o.qrcode_id, o.source_type, r.channel, o.trade_type,
    CAST(CASE WHEN r.shop_id = '' THEN o.terminal_type ELSE r.terminal_type END AS BIGINT) AS terminal_type,
    CAST(CASE WHEN r.shop_id = '' THEN o.sub_terminal_type ELSE r.sub_terminal_type END AS BIGINT) AS sub_terminal_type,
    r.created_ms, r.created_ms AS paid_ms, CAST('' AS TEXT) AS payer_id, CAST(0 AS BIGINT) AS undone_ms,
    CAST(CASE WHEN r.state IN ('SUCCEEDED', 'OFFLINE') THEN 1 ELSE 0 END AS BIGINT) AS ok,
    CAST(CASE WHEN r.state = 'REJECTED' OR r.origin = 'late' THEN 0 ELSE 1 END AS BIGINT) AS counted,
    CAST(CASE WHEN r.state = 'REJECTED' OR r.origin = 'late' THEN 0 ELSE r.amount END AS BIGINT) AS amount,
    CAST(CASE WHEN r.state = 'REJECTED' OR r.origin = 'late' THEN 0 WHEN r.state = 'SUCCEEDED' THEN r.settlement
        ELSE r.amount END AS BIGINT) AS settle,
    CAST(0 AS BIGINT) AS refunded
FROM refunds AS r
JOIN orders AS o ON o.merchant_id = r.merchant_id AND o.out_trade_no = r.out_trade_no;

-- One row says how far one merchant is folded: every version of a row that was
-- written before folded_ms.
CREATE TABLE report_marks (
    merchant_id  TEXT   NOT NULL PRIMARY KEY,
    folded_ms    BIGINT NOT NULL,
    swept_ms     BIGINT NOT NULL, -- when the last fold looked for latecomers
    unit         TEXT   NOT NULL  -- the unit of work that last moved it
);

-- One row is one combination of what reports filter and group by. Level 0 is
-- the merchant as a whole, 1 tells shops apart, 2 also staff, devices and codes.
CREATE TABLE report_dims (
    merchant_id        TEXT   NOT NULL,
    dim                BIGINT NOT NULL,
    level              BIGINT NOT NULL,
    shop_id            TEXT   NOT NULL,
    staff_id           TEXT   NOT NULL,
    device_id          TEXT   NOT NULL,
    qrcode_id          TEXT   NOT NULL,
    source_type        BIGINT NOT NULL,
    channel            TEXT   NOT NULL,
    trade_type         BIGINT NOT NULL,
    terminal_type      BIGINT NOT NULL,
    sub_terminal_type  BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, dim)
);

CREATE UNIQUE INDEX report_dims_key ON report_dims (
    merchant_id, level, shop_id, staff_id, device_id, qrcode_id, source_type, channel, trade_type, terminal_type, sub_terminal_type
);

-- One row is one order or refund as it was folded last. For a refund paid_ms is
-- when it was accepted.
CREATE TABLE report_entries (
    merchant_id  TEXT   NOT NULL,
    kind         BIGINT NOT NULL, -- 1 order, 2 refund
    number       TEXT   NOT NULL,
    version      TEXT   NOT NULL, -- the unit that wrote what was folded
    dim0         BIGINT NOT NULL,
    dim1         BIGINT NOT NULL,
    dim2         BIGINT NOT NULL,
    created_ms   BIGINT NOT NULL,
    paid_ms      BIGINT NOT NULL,
    undone_ms    BIGINT NOT NULL,
    ok           BIGINT NOT NULL,
    counted      BIGINT NOT NULL,
    amount       BIGINT NOT NULL,
    settle       BIGINT NOT NULL,
    fee          BIGINT NOT NULL,
    refunded     BIGINT NOT NULL,
    rate         BIGINT NOT NULL, -- of the fee, in millionths
    PRIMARY KEY (merchant_id, kind, number)
);

CREATE INDEX report_entries_created0 ON report_entries (merchant_id, dim0, created_ms);
CREATE INDEX report_entries_created2 ON report_entries (merchant_id, dim2, created_ms);
CREATE INDEX report_entries_paid0 ON report_entries (merchant_id, dim0, paid_ms);
CREATE INDEX report_entries_paid2 ON report_entries (merchant_id, dim2, paid_ms);
CREATE INDEX report_entries_undone ON report_entries (merchant_id, undone_ms) WHERE undone_ms > 0;

-- One row is what a fold under way has read. It is empty between folds.
CREATE TABLE report_stage (
    merchant_id        TEXT   NOT NULL,
    kind               BIGINT NOT NULL,
    number             TEXT   NOT NULL,
    version            TEXT   NOT NULL,
    shop_id            TEXT   NOT NULL,
    staff_id           TEXT   NOT NULL,
    device_id          TEXT   NOT NULL,
    qrcode_id          TEXT   NOT NULL,
    source_type        BIGINT NOT NULL,
    channel            TEXT   NOT NULL,
    trade_type         BIGINT NOT NULL,
    terminal_type      BIGINT NOT NULL,
    sub_terminal_type  BIGINT NOT NULL,
    created_ms         BIGINT NOT NULL,
    paid_ms            BIGINT NOT NULL,
    undone_ms          BIGINT NOT NULL,
    ok                 BIGINT NOT NULL,
    counted            BIGINT NOT NULL,
    amount             BIGINT NOT NULL,
    settle             BIGINT NOT NULL,
    refunded           BIGINT NOT NULL,
    rate               BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, kind, number)
) /*sqlite: WITHOUT ROWID :sqlite*/;

-- One row is what the entries of one dim sum up to in one span of time that
-- begins at start_ms. A day begins at midnight in Asia/Shanghai. Axis 1 is by
-- the time of creation. Axis 2 is by the time of payment, and what a reverse
-- took back stands at the time of the reverse.
CREATE TABLE report_cells (
    merchant_id    TEXT   NOT NULL,
    dim            BIGINT NOT NULL,
    axis           BIGINT NOT NULL,
    span_ms        BIGINT NOT NULL,
    start_ms       BIGINT NOT NULL,
    orders         BIGINT NOT NULL, -- listed, whatever became of them
    order_oks      BIGINT NOT NULL,
    refunds        BIGINT NOT NULL,
    refund_oks     BIGINT NOT NULL,
    paid_count     BIGINT NOT NULL,
    paid_amount    BIGINT NOT NULL,
    paid_settle    BIGINT NOT NULL,
    paid_fee       BIGINT NOT NULL,
    undone_count   BIGINT NOT NULL,
    undone_amount  BIGINT NOT NULL,
    undone_settle  BIGINT NOT NULL,
    undone_fee     BIGINT NOT NULL,
    back_count     BIGINT NOT NULL, -- accepted refunds
    back_amount    BIGINT NOT NULL,
    back_settle    BIGINT NOT NULL,
    back_fee       BIGINT NOT NULL,
    refunded       BIGINT NOT NULL, -- succeeded refunds of these orders, whenever
    PRIMARY KEY (merchant_id, dim, axis, span_ms, start_ms)
) /*sqlite: WITHOUT ROWID :sqlite*/;
