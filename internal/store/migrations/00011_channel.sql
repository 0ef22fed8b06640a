-- Which API of WeChat Pay a merchant's calls use, and how the wallets' accounts
-- are, for people who look from another process.

-- +goose Up

-- 'v2' or 'v3', '' for what the provider's account says.
ALTER TABLE merchants ADD COLUMN wx_api TEXT NOT NULL DEFAULT '';

-- One row is how one provider's account at one wallet is, as the serving nodes
-- saw it: each writes it when something changes, at most once a minute. What is
-- newer stays, whoever writes.
CREATE TABLE channel_health (
    provider_id  TEXT   NOT NULL REFERENCES providers (id),
    channel      TEXT   NOT NULL,
    account      TEXT   NOT NULL, -- the tag of the account that the keys belong to
    credentials  TEXT   NOT NULL, -- JSON: serials in use and their ends; nothing secret
    verified_ms  BIGINT NOT NULL, -- the last answer or notice that verified, 0 for never
    failed_ms    BIGINT NOT NULL, -- the last call that failed, 0 for never
    failed_call  TEXT   NOT NULL, -- which call it was
    failure      TEXT   NOT NULL, -- a fixed name such as timeout, or the wallet's code
    written_ms   BIGINT NOT NULL,
    PRIMARY KEY (provider_id, channel)
);
