-- The ledger by time and the closed day (docs/decisions/0052). A fold sorts the
-- ledger's events by the time of their booking and sums them in spans; what was
-- booked since is read live. ledger_* can be made again from postings.

-- +goose Up

-- One row says how far one merchant's ledger is folded: every event of an order
-- that was last written before folded_ms.
CREATE TABLE ledger_marks (
    merchant_id  TEXT   NOT NULL PRIMARY KEY,
    folded_ms    BIGINT NOT NULL,
    swept_ms     BIGINT NOT NULL, -- when the last fold looked for latecomers
    unit         TEXT   NOT NULL  -- the unit of work that last moved it
);

-- One row is one event of the ledger at its time: the index that payments need
-- not keep.
CREATE TABLE ledger_times (
    merchant_id   TEXT   NOT NULL,
    at_ms         BIGINT NOT NULL,
    out_trade_no  TEXT   NOT NULL,
    event         TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, at_ms, out_trade_no, event)
) /*sqlite: WITHOUT ROWID :sqlite*/;

-- One row is what a fold under way has found. It is empty between folds.
CREATE TABLE ledger_stage (
    merchant_id   TEXT   NOT NULL,
    at_ms         BIGINT NOT NULL,
    out_trade_no  TEXT   NOT NULL,
    event         TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, at_ms, out_trade_no, event)
) /*sqlite: WITHOUT ROWID :sqlite*/;

-- One row is what was booked on one account in one span of time that begins at
-- start_ms: a day of Asia/Shanghai, or ten minutes of it.
CREATE TABLE ledger_cells (
    merchant_id  TEXT   NOT NULL,
    span_ms      BIGINT NOT NULL,
    start_ms     BIGINT NOT NULL,
    channel      TEXT   NOT NULL,
    account      TEXT   NOT NULL,
    amount       BIGINT NOT NULL, -- debit positive
    PRIMARY KEY (merchant_id, span_ms, start_ms, channel, account)
) /*sqlite: WITHOUT ROWID :sqlite*/;
