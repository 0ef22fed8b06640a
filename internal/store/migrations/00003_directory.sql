-- Who exists: providers, merchants, shops, devices, staff, prefixes, accounts.
-- Members of type BYTEA are sealed; only the directory opens them.

-- +goose Up

-- One row is one service provider (服务商).
CREATE TABLE providers (
    id          TEXT  NOT NULL PRIMARY KEY, -- out_mch_id
    name        TEXT  NOT NULL,
    notify_url  TEXT  NOT NULL,
    data_key    BYTEA NOT NULL
);

-- One row is one sub-merchant (子商户).
CREATE TABLE merchants (
    id                  TEXT    NOT NULL PRIMARY KEY, -- out_sub_mch_id
    provider_id         TEXT    NOT NULL REFERENCES providers (id),
    name                TEXT    NOT NULL,
    default_body        TEXT    NOT NULL,
    authen_key          BYTEA   NOT NULL,
    public_key_pem      TEXT    NOT NULL,
    notify_url          TEXT    NOT NULL,
    reverse_paid        BOOLEAN NOT NULL,
    refund_must_sign    BOOLEAN NOT NULL,
    disabled            BOOLEAN NOT NULL,
    wx_sub_mch_id       TEXT    NOT NULL,
    wx_sub_app_id       TEXT    NOT NULL,
    ali_app_auth_token  BYTEA   NOT NULL, -- empty for none
    ali_seller_id       TEXT    NOT NULL
);

-- One row is one shop (门店) of one merchant.
CREATE TABLE shops (
    id           TEXT NOT NULL PRIMARY KEY, -- out_shop_id, unique in the installation
    merchant_id  TEXT NOT NULL REFERENCES merchants (id),
    name         TEXT NOT NULL,
    UNIQUE (merchant_id, id)
);

-- One row is one till or terminal (设备) of one shop.
CREATE TABLE devices (
    merchant_id  TEXT NOT NULL,
    shop_id      TEXT NOT NULL,
    id           TEXT NOT NULL, -- device_id
    name         TEXT NOT NULL,
    sn           TEXT NOT NULL,
    PRIMARY KEY (merchant_id, shop_id, id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);

-- One row is one person (店员) in one shop.
CREATE TABLE staff (
    merchant_id   TEXT    NOT NULL,
    shop_id       TEXT    NOT NULL,
    id            TEXT    NOT NULL, -- staff_id
    name          TEXT    NOT NULL,
    shop_manager  BOOLEAN NOT NULL,
    refund_auth   BOOLEAN NOT NULL,
    PRIMARY KEY (merchant_id, shop_id, id),
    FOREIGN KEY (merchant_id, shop_id) REFERENCES shops (merchant_id, id)
);

-- One row is one order prefix (cloud_cashier_id) of one merchant.
CREATE TABLE prefixes (
    prefix       TEXT NOT NULL PRIMARY KEY,
    merchant_id  TEXT NOT NULL REFERENCES merchants (id)
);

CREATE INDEX prefixes_of_merchant ON prefixes (merchant_id);

-- The one row is locked by whoever gives out a prefix: no two may look for
-- overlaps at the same time, or both would find none.
CREATE TABLE prefix_lock (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    given  BIGINT NOT NULL -- how often somebody asked
);

INSERT INTO prefix_lock (id, given) VALUES (1, 0);

-- One row is the account of one provider at one wallet.
CREATE TABLE accounts (
    provider_id  TEXT  NOT NULL REFERENCES providers (id),
    channel      TEXT  NOT NULL,
    fields       BYTEA NOT NULL,
    PRIMARY KEY (provider_id, channel)
);
