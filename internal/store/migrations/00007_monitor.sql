-- What clients tell of themselves (protocol.md §2.7), kept for 30 days.

-- +goose Up

-- One row is one thing a client told: a call it made, its machine, a report of
-- a device. Texts are masked before they come here.
CREATE TABLE monitor_records (
    merchant_id  TEXT   NOT NULL,
    at_ms        BIGINT NOT NULL, -- when it arrived
    id           TEXT   NOT NULL,
    kind         TEXT   NOT NULL, -- call, conf or device
    shop_id      TEXT   NOT NULL,
    device_id    TEXT   NOT NULL,
    sn           TEXT   NOT NULL,
    order_no     TEXT   NOT NULL, -- of an order or a refund, '' if none could be told
    interface    TEXT   NOT NULL,
    domain       TEXT   NOT NULL,
    status       BIGINT NOT NULL,
    log_id       BIGINT NOT NULL, -- 0 for none
    started_ms   BIGINT NOT NULL, -- by the client's clock, 0 for none
    cost_ms      BIGINT NOT NULL, -- -1 for none
    body         TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, at_ms, id)
) /*sqlite: WITHOUT ROWID :sqlite*/;

CREATE INDEX monitor_by_log_id ON monitor_records (log_id, at_ms, id) WHERE log_id <> 0;
CREATE INDEX monitor_by_order ON monitor_records (order_no, at_ms, id) WHERE order_no <> '';
CREATE INDEX monitor_by_device ON monitor_records (merchant_id, device_id, at_ms, id) WHERE device_id <> '';
CREATE INDEX monitor_by_sn ON monitor_records (sn, at_ms, id) WHERE sn <> '';
CREATE INDEX monitor_by_time ON monitor_records (at_ms);

-- One row is what one device, or with device '' one merchant, had kept on one
-- day: it bounds the table above.
CREATE TABLE monitor_usage (
    merchant_id  TEXT   NOT NULL,
    device       TEXT   NOT NULL,
    day          TEXT   NOT NULL, -- yyyymmdd in Shanghai
    records      BIGINT NOT NULL,
    bytes        BIGINT NOT NULL,
    unit         TEXT   NOT NULL, -- the unit of work that wrote it last
    PRIMARY KEY (merchant_id, device, day)
);

CREATE INDEX monitor_usage_by_day ON monitor_usage (day);

-- One row counts the calls of one hour to one interface at one domain with one
-- status, by how long they took: c0 … c16 are the buckets of monitor.Buckets.
CREATE TABLE monitor_latency (
    merchant_id  TEXT   NOT NULL,
    hour_ms      BIGINT NOT NULL,
    interface    TEXT   NOT NULL,
    domain       TEXT   NOT NULL,
    status       TEXT   NOT NULL,
    c0  BIGINT NOT NULL, c1  BIGINT NOT NULL, c2  BIGINT NOT NULL, c3  BIGINT NOT NULL, c4  BIGINT NOT NULL,
    c5  BIGINT NOT NULL, c6  BIGINT NOT NULL, c7  BIGINT NOT NULL, c8  BIGINT NOT NULL, c9  BIGINT NOT NULL,
    c10 BIGINT NOT NULL, c11 BIGINT NOT NULL, c12 BIGINT NOT NULL, c13 BIGINT NOT NULL, c14 BIGINT NOT NULL,
    c15 BIGINT NOT NULL, c16 BIGINT NOT NULL,
    max_ms       BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, hour_ms, interface, domain, status)
);

CREATE INDEX monitor_latency_by_hour ON monitor_latency (hour_ms);
