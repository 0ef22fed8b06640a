-- Who may use the management API, and what it answered lately.

-- +goose Up

-- One row is one bearer token. The token itself is not kept, only its hash.
CREATE TABLE tokens (
    id          TEXT   NOT NULL PRIMARY KEY,
    hash        TEXT   NOT NULL UNIQUE, -- SHA-256 of the token, hex
    name        TEXT   NOT NULL,
    grants      TEXT   NOT NULL, -- JSON: what it may, and for whom
    unit        TEXT   NOT NULL, -- the unit of work that made it
    created_by  TEXT   NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL, -- 0 for never
    used_ms     BIGINT NOT NULL, -- to the minute
    revoked_ms  BIGINT NOT NULL
);

-- One row is one write that carried an Idempotency-Key, kept for a day.
CREATE TABLE answers (
    actor       TEXT   NOT NULL,
    idem_key    TEXT   NOT NULL,
    request     TEXT   NOT NULL, -- SHA-256 of method, path and body, hex
    unit        TEXT   NOT NULL, -- the unit of work that took the key
    status      BIGINT NOT NULL, -- of the answer, 0 while there is none
    answer      BYTEA  NOT NULL, -- sealed: an answer may hold a key
    created_ms  BIGINT NOT NULL,
    PRIMARY KEY (actor, idem_key)
);

-- Sweeping looks here.
CREATE INDEX answers_by_age ON answers (created_ms);
