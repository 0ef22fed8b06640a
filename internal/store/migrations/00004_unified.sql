-- Orders that are prepared first and paid later, what lists and statistics
-- group by, and what the wallets say of coupons.

-- +goose Up

ALTER TABLE orders ADD COLUMN terminal_type     BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN sub_terminal_type BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN qrcode_id         TEXT   NOT NULL DEFAULT '';
ALTER TABLE orders ADD COLUMN source_type       BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN authen            TEXT   NOT NULL DEFAULT ''; -- authen_info of the request, JSON
ALTER TABLE orders ADD COLUMN expire_ms         BIGINT NOT NULL DEFAULT 0;  -- last moment a unified order can be paid
ALTER TABLE orders ADD COLUMN prepaid           TEXT   NOT NULL DEFAULT ''; -- JSON of pay.Prepaid
ALTER TABLE orders ADD COLUMN promo             TEXT   NOT NULL DEFAULT ''; -- JSON of pay.Promotion

ALTER TABLE refunds ADD COLUMN shop_id           TEXT   NOT NULL DEFAULT ''; -- who asked for it
ALTER TABLE refunds ADD COLUMN device_id         TEXT   NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN staff_id          TEXT   NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN authorized_by     TEXT   NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN trade_type        BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN terminal_type     BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN sub_terminal_type BIGINT NOT NULL DEFAULT 0;
ALTER TABLE refunds ADD COLUMN authen            TEXT   NOT NULL DEFAULT '';
ALTER TABLE refunds ADD COLUMN account           TEXT   NOT NULL DEFAULT ''; -- refund_account
ALTER TABLE refunds ADD COLUMN promo             TEXT   NOT NULL DEFAULT '';
