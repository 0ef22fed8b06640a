-- The wallets' own keys as they were met, so that what they signed can be
-- checked again long after they have changed them (explain --verify).

-- +goose Up

-- One row is one certificate or bare public key of a wallet that an account
-- verified with. Rows are added and never changed: there are one or two a year.
CREATE TABLE wallet_keys (
    provider_id TEXT   NOT NULL REFERENCES providers (id),
    channel     TEXT   NOT NULL,
    role        TEXT   NOT NULL, -- 'platform' or 'public_key'
    serial      TEXT   NOT NULL, -- as the wallet names it
    pem         TEXT   NOT NULL, -- public
    seen_ms     BIGINT NOT NULL, -- when it was met first
    PRIMARY KEY (provider_id, channel, role, serial)
);
