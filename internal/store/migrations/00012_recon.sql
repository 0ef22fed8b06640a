-- Reconciliation (对账): the wallets' bills as they came, their lines, and what
-- they and our books disagree about (docs/decisions/0044).
--
-- A day is yyyymmdd in Asia/Shanghai, by the wallets' times. Rows of bills are
-- only added: a bill that was fetched again and differs is a new version.

-- +goose Up

-- One row is the reconciliation of one merchant's day at one wallet, and how far
-- it has come. Lines and flows are in force if they are of the versions named here.
CREATE TABLE recon_runs (
    merchant_id   TEXT   NOT NULL,
    channel       TEXT   NOT NULL,
    day           TEXT   NOT NULL,
    unit          TEXT   NOT NULL, -- the unit of work that last wrote the row: its version
    round         BIGINT NOT NULL, -- 1, and one more each time the day is done again
    step          TEXT   NOT NULL, -- what is done next: fetch, lines, match, rest, flows, close, done
    position      TEXT   NOT NULL, -- how far the step has come, '' for its beginning
    version       BIGINT NOT NULL, -- of the trade bill, 0 before it is here
    flow_version  BIGINT NOT NULL, -- of the fund bill, 0 for none
    lines         BIGINT NOT NULL, -- of the trade bill, others' left out
    matched       BIGINT NOT NULL, -- of these, agreeing with our books
    started_ms    BIGINT NOT NULL, -- of this round
    done_ms       BIGINT NOT NULL, -- 0 while it is under way
    PRIMARY KEY (merchant_id, channel, day)
);

-- One row is one bill as a wallet gave it.
CREATE TABLE bills (
    merchant_id  TEXT    NOT NULL,
    channel      TEXT    NOT NULL,
    day          TEXT    NOT NULL,
    kind         TEXT    NOT NULL, -- trade or fund
    version      BIGINT  NOT NULL, -- 1, 2, …
    unit         TEXT    NOT NULL,
    sha256       TEXT    NOT NULL, -- of the bytes as they came, hex; names bill_chunks
    announced    TEXT    NOT NULL, -- the wallet's own hash with its algorithm, '' for none
    bytes        BIGINT  NOT NULL,
    empty        BOOLEAN NOT NULL, -- the wallet said that there is no bill for the day
    fetched_ms   BIGINT  NOT NULL,
    PRIMARY KEY (merchant_id, channel, day, kind, version)
);

-- One row is one piece of a bill's bytes, each compressed by gzip for itself.
CREATE TABLE bill_chunks (
    merchant_id  TEXT   NOT NULL,
    sha256       TEXT   NOT NULL, -- of the whole bill
    chunk        BIGINT NOT NULL, -- 0, 1, …
    body         BYTEA  NOT NULL,
    PRIMARY KEY (merchant_id, sha256, chunk)
);

-- One row is one line of one version of a trade bill. Amounts are positive.
CREATE TABLE bill_lines (
    merchant_id     TEXT   NOT NULL,
    channel         TEXT   NOT NULL,
    day             TEXT   NOT NULL,
    version         BIGINT NOT NULL,
    line            BIGINT NOT NULL, -- 0, 1, …
    item            TEXT   NOT NULL, -- payment:, refund: or reversal: and the number it is of
    kind            TEXT   NOT NULL, -- payment, refund or reversal
    at_ms           BIGINT NOT NULL, -- when the wallet counts it
    out_trade_no    TEXT   NOT NULL,
    transaction_id  TEXT   NOT NULL,
    out_refund_no   TEXT   NOT NULL,
    refund_id       TEXT   NOT NULL,
    state           TEXT   NOT NULL, -- the wallet's own word
    refund_state    TEXT   NOT NULL,
    total           BIGINT NOT NULL,
    settlement      BIGINT NOT NULL,
    fee             BIGINT NOT NULL, -- what the merchant pays, negative for what comes back
    rate            TEXT   NOT NULL, -- as written
    PRIMARY KEY (merchant_id, channel, day, version, line)
) /*sqlite: WITHOUT ROWID :sqlite*/;

CREATE INDEX bill_lines_of_item ON bill_lines (merchant_id, channel, item);

-- One row is one movement of one version of a fund bill.
CREATE TABLE bill_flows (
    merchant_id  TEXT    NOT NULL,
    channel      TEXT    NOT NULL,
    day          TEXT    NOT NULL,
    version      BIGINT  NOT NULL,
    line         BIGINT  NOT NULL,
    at_ms        BIGINT  NOT NULL,
    business_no  TEXT    NOT NULL, -- the wallet's number of the order or refund
    flow_no      TEXT    NOT NULL, -- of the movement
    business     TEXT    NOT NULL, -- 业务名称
    type         TEXT    NOT NULL, -- 业务类型
    income       BOOLEAN NOT NULL,
    amount       BIGINT  NOT NULL,
    balance      BIGINT  NOT NULL, -- after it
    voucher      TEXT    NOT NULL, -- our number of the order
    PRIMARY KEY (merchant_id, channel, day, version, line)
) /*sqlite: WITHOUT ROWID :sqlite*/;

-- One row is one thing that a wallet's bill and our books disagree about. It is
-- never removed; one that was closed opens again only if the figures change.
CREATE TABLE recon_diffs (
    merchant_id    TEXT   NOT NULL,
    channel        TEXT   NOT NULL,
    item           TEXT   NOT NULL, -- as in bill_lines
    type           TEXT   NOT NULL, -- wallet_more, we_more, amount, state, fee, date_edge
    day            TEXT   NOT NULL, -- of the bill that showed it
    unit           TEXT   NOT NULL, -- the unit of work that last wrote the row
    out_trade_no   TEXT   NOT NULL,
    out_refund_no  TEXT   NOT NULL,
    ours           BIGINT NOT NULL, -- fen by our books, negative for what went back
    theirs         BIGINT NOT NULL, -- fen by the bill; of type fee both are fees
    our_state      TEXT   NOT NULL,
    their_state    TEXT   NOT NULL,
    version        BIGINT NOT NULL, -- of the bill
    line           BIGINT NOT NULL, -- of the bill, -1 for none
    round          BIGINT NOT NULL, -- of the day's run that saw it last
    first_ms       BIGINT NOT NULL, -- when it was seen first
    state          TEXT   NOT NULL, -- open, explained or repaired
    who            TEXT   NOT NULL, -- closed it
    why            TEXT   NOT NULL,
    closed_ms      BIGINT NOT NULL, -- 0 while it is open
    PRIMARY KEY (merchant_id, channel, item, type)
);

CREATE INDEX recon_diffs_of_day ON recon_diffs (merchant_id, day);
CREATE INDEX recon_diffs_open ON recon_diffs (first_ms) WHERE state = 'open';
