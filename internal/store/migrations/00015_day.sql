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

-- When an event was booked without writing its order's row, as those of bills
-- are, 0 for all others: they are found by their orders, and pay nothing for this.
ALTER TABLE postings ADD COLUMN alone_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX postings_alone ON postings (merchant_id, alone_ms) WHERE alone_ms > 0;

-- One row is one key that closed days are signed with. The newest signs.
CREATE TABLE day_keys (
    number       BIGINT NOT NULL PRIMARY KEY, -- 1, 2, …
    public_key   TEXT   NOT NULL, -- Ed25519, base64
    sealed       BYTEA  NOT NULL, -- its private half
    made_ms      BIGINT NOT NULL
);

-- One row is one closed day of one merchant. Rows are only added. A date is
-- 2026-11-20, of Asia/Shanghai.
CREATE TABLE days (
    merchant_id  TEXT   NOT NULL,
    number       BIGINT NOT NULL, -- 1 for the first, and one more each day
    date         TEXT   NOT NULL,
    hash         TEXT   NOT NULL, -- SHA-256 of the record, hex
    record       TEXT   NOT NULL, -- canonical JSON, as it is signed
    signature    TEXT   NOT NULL, -- base64
    closed_ms    BIGINT NOT NULL,
    unit         TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, number)
);

CREATE UNIQUE INDEX days_by_date ON days (merchant_id, date);

-- One row says who closes a merchant's day just now, and which.
CREATE TABLE day_drafts (
    merchant_id  TEXT NOT NULL PRIMARY KEY,
    date         TEXT NOT NULL,
    unit         TEXT NOT NULL
);

-- One row is how one payment, reversal or refund stood when a day was closed:
-- its own, or a later one on which it was found to have changed.
CREATE TABLE day_items (
    merchant_id   TEXT   NOT NULL,
    item          TEXT   NOT NULL, -- payment:, refund: or reversal: and a number
    closed_date   TEXT   NOT NULL, -- the day in whose record it counts
    own_date      TEXT   NOT NULL, -- its business day, '' when it is no money any more
    channel       TEXT   NOT NULL,
    out_trade_no  TEXT   NOT NULL,
    at_ms         BIGINT NOT NULL,
    amount        BIGINT NOT NULL,
    settle        BIGINT NOT NULL,
    booked        BIGINT NOT NULL, -- by the ledger
    told          BOOLEAN NOT NULL, -- the merchant knows, or need not
    was_date      TEXT   NOT NULL, -- how it stood when it was closed before, '' if never
    was_amount    BIGINT NOT NULL,
    PRIMARY KEY (merchant_id, item, closed_date)
) /*sqlite: WITHOUT ROWID :sqlite*/;

CREATE INDEX day_items_of_day ON day_items (merchant_id, closed_date, item);
