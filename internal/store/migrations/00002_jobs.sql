-- Durable work (design.md §7), in the schema of the money so that a row is
-- written in the transaction that makes it necessary.

-- +goose Up

-- One row is one piece of work of one merchant that is not finished.
CREATE TABLE jobs (
    merchant_id  TEXT   NOT NULL,
    kind         TEXT   NOT NULL,
    ref          TEXT   NOT NULL,
    state        TEXT   NOT NULL, -- ready or buried
    queue        TEXT   NOT NULL, -- the line within the merchant, '' for none
    seq          BIGINT NOT NULL, -- the place in the line
    run_ms       BIGINT NOT NULL, -- not before
    due_ms       BIGINT NOT NULL, -- when it may be claimed: run_ms, or the end of its lease
    attempt      BIGINT NOT NULL,
    lease        TEXT   NOT NULL, -- the claim that holds it, '' for none
    payload      TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    last_error   TEXT   NOT NULL,
    PRIMARY KEY (merchant_id, kind, ref)
) /*sqlite: WITHOUT ROWID :sqlite*/;

-- Claiming looks here, oldest first, one kind at a time: a flood of one kind
-- must not hide another.
CREATE INDEX jobs_due ON jobs (kind, due_ms) WHERE state = 'ready';

-- Finding the head of a line looks here.
CREATE INDEX jobs_line ON jobs (merchant_id, queue, seq, kind, ref) WHERE state = 'ready' AND queue <> '';
