-- Which API of WeChat Pay a merchant's calls use, and how the wallets' accounts
-- are, for people who look from another process.

-- +goose Up

-- 'v2' or 'v3', '' for what the provider's account says.
ALTER TABLE merchants ADD COLUMN wx_api TEXT NOT NULL DEFAULT '';

-- One row is how one provider's account at one wallet is, as the serving nodes
-- saw it last; each writes it when something changes, and rarely otherwise.
CREATE TABLE channel_health (
    provider_id  TEXT   NOT NULL REFERENCES providers (id),
    channel      TEXT   NOT NULL,
    api          TEXT   NOT NULL, -- 'v2' or 'v3' of WeChat Pay, '' for Alipay
    credentials  TEXT   NOT NULL, -- JSON: serials in use and when they end; nothing secret
    verified_ms  BIGINT NOT NULL, -- the last answer or notice that verified, 0 for never
    failed_ms    BIGINT NOT NULL, -- the last failure, 0 for never
    failure      TEXT   NOT NULL, -- its kind
    unknown_ms   BIGINT NOT NULL, -- when a serial that nobody knows was last seen, 0 for never
    unknown      TEXT   NOT NULL, -- that serial
    written_ms   BIGINT NOT NULL,
    PRIMARY KEY (provider_id, channel, api)
);
