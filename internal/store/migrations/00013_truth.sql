-- How the truth of each order is driven, what people did about it by hand, and
-- what wants a person (docs/decisions/0046).

-- +goose Up

-- The merchant's choice of the settle ladder when the order was opened: a later
-- choice changes no order that is under way.
ALTER TABLE orders ADD COLUMN settle    TEXT    NOT NULL DEFAULT ''; -- pay.Setting
ALTER TABLE orders ADD COLUMN hold_late BOOLEAN NOT NULL DEFAULT FALSE; -- late money waits for a person

-- One row is one thing that a person did to an order or a refund by hand, written
-- by the unit of work that did it. Rows are only added.
CREATE TABLE hands (
    merchant_id    TEXT   NOT NULL,
    out_trade_no   TEXT   NOT NULL,
    unit           TEXT   NOT NULL,
    out_refund_no  TEXT   NOT NULL, -- '' for the order itself
    act            TEXT   NOT NULL,
    who            TEXT   NOT NULL, -- as the audit trail names an actor
    why            TEXT   NOT NULL,
    at_ms          BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, out_trade_no, unit)
);

-- One row is one reason for which an order or a refund wants a person.
CREATE TABLE attention (
    merchant_id    TEXT   NOT NULL,
    out_trade_no   TEXT   NOT NULL,
    out_refund_no  TEXT   NOT NULL, -- '' for the order itself
    why            TEXT   NOT NULL,
    first_ms       BIGINT NOT NULL,
    last_ms        BIGINT NOT NULL,
    times          BIGINT NOT NULL,
    done_ms        BIGINT NOT NULL, -- 0 while it is open
    done_by        TEXT   NOT NULL, -- '' when it settled itself
    done_why       TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, out_trade_no, out_refund_no, why)
);

CREATE INDEX attention_open ON attention (merchant_id, first_ms) WHERE done_ms = 0;

-- Late money that a person adopted is the merchant's, like a payment.
DROP VIEW report_orders;
CREATE VIEW report_orders AS
SELECT
    o.merchant_id, o.out_trade_no AS number, o.out_trade_no, o.unit AS version, o.updated_ms, o.shop_id, o.staff_id,
    o.device_id, o.qrcode_id, o.source_type, o.channel, o.trade_type, o.terminal_type, o.sub_terminal_type, o.created_ms,
    o.paid_ms, o.payer_id,
    CAST(CASE WHEN o.late <> 'ADOPTED' AND o.state = 'REVERSED' AND o.paid_seen AND EXISTS (SELECT 1 FROM postings AS p
            WHERE p.merchant_id = o.merchant_id AND p.out_trade_no = o.out_trade_no AND p.event = 'reversed')
        THEN CASE WHEN o.reverse_sent_ms > 0 THEN o.reverse_sent_ms ELSE o.paid_ms END ELSE 0 END AS BIGINT) AS undone_ms,
    CAST(CASE WHEN o.state = 'PAID' OR o.late = 'ADOPTED' THEN 1 ELSE 0 END AS BIGINT) AS ok,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen OR o.late = 'ADOPTED' THEN 1 ELSE 0 END AS BIGINT) AS counted,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen OR o.late = 'ADOPTED' THEN o.total ELSE 0 END AS BIGINT) AS amount,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen OR o.late = 'ADOPTED' THEN o.settlement ELSE 0 END AS BIGINT) AS settle,
    CAST(CASE WHEN o.state = 'PAID' OR o.paid_seen OR o.late = 'ADOPTED' THEN o.refunded ELSE 0 END AS BIGINT) AS refunded
FROM orders AS o;
