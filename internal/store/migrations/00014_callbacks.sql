-- Callbacks: one endpoint that is dead must not delay another, and every
-- attempt is remembered.

-- +goose Up

-- The lane of a job is what it shares a fate with, '' for nothing: callbacks to
-- one endpoint are one lane. Each lane is claimed from by itself.
ALTER TABLE jobs ADD COLUMN lane TEXT NOT NULL DEFAULT '';

-- A ready job stands in exactly one of these two, so that a payment writes no
-- more than before.
DROP INDEX jobs_due;
CREATE INDEX jobs_due ON jobs (kind, due_ms) WHERE state = 'ready' AND lane = '';
CREATE INDEX jobs_lane ON jobs (kind, lane, due_ms) WHERE state = 'ready' AND lane <> '';

-- What was given up is looked for whenever something goes through: for the lane,
-- and, by the index that there is, for the merchant, whose address may have
-- changed since.
CREATE INDEX jobs_buried_of_lane ON jobs (kind, lane, created_ms) WHERE state = 'buried';

-- One row is one attempt to deliver a callback, as it went over the line but
-- for what authenticates it. Texts are masked and cut before they come here.
CREATE TABLE callback_attempts (
    merchant_id   TEXT    NOT NULL,
    at_ms         BIGINT  NOT NULL, -- when it began
    id            TEXT    NOT NULL,
    out_trade_no  TEXT    NOT NULL, -- '' for a test ping
    event         TEXT    NOT NULL,
    attempt       BIGINT  NOT NULL, -- 1 for the first since the event was put into service
    endpoint      TEXT    NOT NULL, -- scheme, host and port
    target        TEXT    NOT NULL, -- the address, masked
    authen_key    BIGINT  NOT NULL, -- 1 for the key of longest standing among those in force, 2 for the next
    request       TEXT    NOT NULL, -- the content, without its MAC
    acknowledged  BOOLEAN NOT NULL,
    http_status   BIGINT  NOT NULL, -- 0 for no answer
    reply         TEXT    NOT NULL,
    error         TEXT    NOT NULL, -- '' when it was acknowledged
    took_ms       BIGINT  NOT NULL,
    PRIMARY KEY (merchant_id, at_ms, id)
) /*sqlite: WITHOUT ROWID :sqlite*/;

CREATE INDEX callback_attempts_of_order ON callback_attempts (merchant_id, out_trade_no, at_ms, id);
CREATE INDEX callback_attempts_by_time ON callback_attempts (at_ms);
