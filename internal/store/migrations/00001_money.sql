-- The money of the house: orders, refunds and the ledger (money.md).
--
-- Written once for both engines. Amounts are fen, times are Unix milliseconds
-- with 0 for "has not happened", ids and hashes are text, and nothing is NULL.
-- Text between /*sqlite: and :sqlite*/ is read by SQLite only.

-- +goose Up

-- One row is one order of one merchant, across every pay interface.
CREATE TABLE orders (
    merchant_id       TEXT    NOT NULL, -- out_sub_mch_id
    out_trade_no      TEXT    NOT NULL,
    state             TEXT    NOT NULL,
    unit              TEXT    NOT NULL, -- the unit of work that last wrote the row: its version
    code_held         BOOLEAN NOT NULL, -- the order still claims code_hash for itself alone
    total             BIGINT  NOT NULL,
    reserved          BIGINT  NOT NULL DEFAULT 0, -- accepted refunds, open or succeeded
    refunded          BIGINT  NOT NULL DEFAULT 0, -- succeeded refunds
    provider_id       TEXT    NOT NULL, -- out_mch_id
    channel           TEXT    NOT NULL,
    trade_type        BIGINT  NOT NULL,
    currency          TEXT    NOT NULL,
    fingerprint       TEXT    NOT NULL, -- decides replay or 407
    code_hash         TEXT    NOT NULL, -- keyed hash of the payment code, '' for none
    shop_id           TEXT    NOT NULL,
    device_id         TEXT    NOT NULL,
    staff_id          TEXT    NOT NULL,
    body              TEXT    NOT NULL,
    notify_url        TEXT    NOT NULL,
    extra             TEXT    NOT NULL, -- JSON the caller wants to see again
    transaction_id    TEXT    NOT NULL, -- ours until the wallet's is known
    sent_ms           BIGINT  NOT NULL, -- the intent
    created_ms        BIGINT  NOT NULL,
    updated_ms        BIGINT  NOT NULL,
    ask_ms            BIGINT  NOT NULL, -- when the next query is due
    seen              TEXT    NOT NULL DEFAULT '', -- kind of the last answer
    truth             TEXT    NOT NULL DEFAULT '', -- what the state rests on
    settlement        BIGINT  NOT NULL DEFAULT 0,
    cash              BIGINT  NOT NULL DEFAULT 0,
    payer_id          TEXT    NOT NULL DEFAULT '',
    bank_type         TEXT    NOT NULL DEFAULT '',
    paid_ms           BIGINT  NOT NULL DEFAULT 0,
    code              TEXT    NOT NULL DEFAULT '', -- last code of the wallet
    reason            TEXT    NOT NULL DEFAULT '',
    text              TEXT    NOT NULL DEFAULT '',
    late              TEXT    NOT NULL DEFAULT '', -- what became of money for a dead order
    finished          BOOLEAN NOT NULL DEFAULT FALSE, -- no longer refundable
    refund_sent_ms    BIGINT  NOT NULL DEFAULT 0,
    asked_ms          BIGINT  NOT NULL DEFAULT 0,
    asks              BIGINT  NOT NULL DEFAULT 0,
    unpaid_ms         BIGINT  NOT NULL DEFAULT 0,
    missing_ms        BIGINT  NOT NULL DEFAULT 0,
    reverse_sent_ms   BIGINT  NOT NULL DEFAULT 0,
    reversed_ms       BIGINT  NOT NULL DEFAULT 0,
    reverse_tries     BIGINT  NOT NULL DEFAULT 0,
    reverse_pause_ms  BIGINT  NOT NULL DEFAULT 0,
    no_reverse        BOOLEAN NOT NULL DEFAULT FALSE,
    stopped           BOOLEAN NOT NULL DEFAULT FALSE,
    duplicate         BOOLEAN NOT NULL DEFAULT FALSE,
    reverse_ask       BOOLEAN NOT NULL DEFAULT FALSE,
    watch             BOOLEAN NOT NULL DEFAULT FALSE,
    reverse_done      BOOLEAN NOT NULL DEFAULT FALSE,
    refund_instead    BOOLEAN NOT NULL DEFAULT FALSE,
    paid_seen         BOOLEAN NOT NULL DEFAULT FALSE,
    reverse_gone      BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (merchant_id, out_trade_no),
    CHECK (reserved BETWEEN 0 AND total AND refunded BETWEEN 0 AND reserved) -- one, since PostgreSQL parses each at each write
);

-- One payment code, one open order (money.md §2).
CREATE UNIQUE INDEX orders_held_code ON orders (merchant_id, code_hash) WHERE code_held;

-- One row is one refund of one order.
CREATE TABLE refunds (
    merchant_id    TEXT    NOT NULL,
    out_refund_no  TEXT    NOT NULL,
    out_trade_no   TEXT    NOT NULL,
    channel        TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    origin         TEXT    NOT NULL,
    unit           TEXT    NOT NULL, -- the unit of work that last wrote the row
    open_unit      TEXT    NOT NULL, -- the unit that reserved it
    total          BIGINT  NOT NULL, -- of the order
    amount         BIGINT  NOT NULL CHECK (amount > 0),
    reason         TEXT    NOT NULL,
    notify_url     TEXT    NOT NULL,
    extra          TEXT    NOT NULL,
    refund_id      TEXT    NOT NULL,
    settlement     BIGINT  NOT NULL,
    cash           BIGINT  NOT NULL,
    recv_account   TEXT    NOT NULL,
    succeeded_ms   BIGINT  NOT NULL,
    sent_ms        BIGINT  NOT NULL,
    tried_ms       BIGINT  NOT NULL,
    tries          BIGINT  NOT NULL,
    accepted       BOOLEAN NOT NULL,
    unanswered     BOOLEAN NOT NULL,
    refused        BOOLEAN NOT NULL,
    do_act         TEXT    NOT NULL,
    do_ms          BIGINT  NOT NULL,
    missing_ms     BIGINT  NOT NULL,
    created_ms     BIGINT  NOT NULL,
    updated_ms     BIGINT  NOT NULL,
    code           TEXT    NOT NULL,
    text           TEXT    NOT NULL,
    PRIMARY KEY (merchant_id, out_refund_no)
);

CREATE INDEX refunds_of_order ON refunds (merchant_id, out_trade_no);

-- One row is one leg of one ledger event of one order. Rows are only added.
-- The legs of an event sum to zero (money.md §5).
CREATE TABLE postings (
    merchant_id   TEXT   NOT NULL,
    out_trade_no  TEXT   NOT NULL,
    event         TEXT   NOT NULL,
    leg           BIGINT NOT NULL,
    account       TEXT   NOT NULL,
    channel       TEXT   NOT NULL,
    amount        BIGINT NOT NULL, -- debit positive, never 0
    at_ms         BIGINT NOT NULL,
    unit          TEXT   NOT NULL, -- the unit of work that booked it
    PRIMARY KEY (merchant_id, out_trade_no, event, leg)
) /*sqlite: WITHOUT ROWID :sqlite*/;
