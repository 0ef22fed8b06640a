-- Everyone who exists, in full: profiles, keys that rotate, administrators,
-- sub-providers, operators, factory devices, what lives for minutes, and the
-- trail of all changes. Columns named profile hold JSON that only the directory
-- reads; members of type BYTEA are sealed; deleted_ms is 0 while a row lives.

-- +goose Up

ALTER TABLE providers ADD COLUMN refund_notify_url TEXT    NOT NULL DEFAULT '';
ALTER TABLE providers ADD COLUMN disabled          BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE providers ADD COLUMN profile           TEXT    NOT NULL DEFAULT '';
ALTER TABLE providers ADD COLUMN created_ms        BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE providers ADD COLUMN updated_ms        BIGINT  NOT NULL DEFAULT 0;
ALTER TABLE providers ADD COLUMN deleted_ms        BIGINT  NOT NULL DEFAULT 0;

-- One row is one sub-provider (子服务商) of one provider.
CREATE TABLE sub_providers (
    provider_id  TEXT    NOT NULL REFERENCES providers (id),
    id           TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    remark       TEXT    NOT NULL,
    rebate_ppm   BIGINT  NOT NULL,
    disabled     BOOLEAN NOT NULL,
    created_ms   BIGINT  NOT NULL,
    updated_ms   BIGINT  NOT NULL,
    deleted_ms   BIGINT  NOT NULL,
    PRIMARY KEY (provider_id, id)
);

-- One row is one key of one merchant, current or ending.
CREATE TABLE merchant_keys (
    merchant_id  TEXT   NOT NULL REFERENCES merchants (id),
    id           TEXT   NOT NULL,
    kind         TEXT   NOT NULL, -- authen or public
    sealed       BYTEA  NOT NULL, -- empty for a public key
    public_pem   TEXT   NOT NULL, -- '' for an authen_key
    created_ms   BIGINT NOT NULL,
    ends_ms      BIGINT NOT NULL, -- 0 for the current key of its kind
    seen_ms      BIGINT NOT NULL, -- first use, 0 before
    PRIMARY KEY (merchant_id, id)
);

INSERT INTO merchant_keys (merchant_id, id, kind, sealed, public_pem, created_ms, ends_ms, seen_ms)
SELECT id, 'a1', 'authen', authen_key, '', 0, 0, 0 FROM merchants;

INSERT INTO merchant_keys (merchant_id, id, kind, sealed, public_pem, created_ms, ends_ms, seen_ms)
SELECT id, 'p1', 'public', '', public_key_pem, 0, 0, 0 FROM merchants WHERE public_key_pem <> '';

ALTER TABLE merchants DROP COLUMN authen_key;
ALTER TABLE merchants DROP COLUMN public_key_pem;
ALTER TABLE merchants ADD COLUMN sub_provider_id TEXT   NOT NULL DEFAULT '';
ALTER TABLE merchants ADD COLUMN wx_mob_app_id   TEXT   NOT NULL DEFAULT '';
ALTER TABLE merchants ADD COLUMN wx_mini_app_id  TEXT   NOT NULL DEFAULT '';
ALTER TABLE merchants ADD COLUMN profile         TEXT   NOT NULL DEFAULT '';
ALTER TABLE merchants ADD COLUMN policy          TEXT   NOT NULL DEFAULT '';
ALTER TABLE merchants ADD COLUMN created_ms      BIGINT NOT NULL DEFAULT 0;
ALTER TABLE merchants ADD COLUMN updated_ms      BIGINT NOT NULL DEFAULT 0;
ALTER TABLE merchants ADD COLUMN deleted_ms      BIGINT NOT NULL DEFAULT 0;

CREATE INDEX merchants_of_provider ON merchants (provider_id, id);

-- One row is one administrator (商户管理员) of one merchant.
CREATE TABLE admins (
    merchant_id     TEXT    NOT NULL REFERENCES merchants (id),
    id              TEXT    NOT NULL,
    name            TEXT    NOT NULL,
    refund_auth     BOOLEAN NOT NULL,
    one_code_notes  BOOLEAN NOT NULL,
    open_id         TEXT    NOT NULL,
    mch_open_id     TEXT    NOT NULL,
    duty            TEXT    NOT NULL,
    phone           TEXT    NOT NULL,
    created_ms      BIGINT  NOT NULL,
    updated_ms      BIGINT  NOT NULL,
    deleted_ms      BIGINT  NOT NULL,
    PRIMARY KEY (merchant_id, id)
);

ALTER TABLE shops ADD COLUMN number     TEXT   NOT NULL DEFAULT ''; -- shop_id
ALTER TABLE shops ADD COLUMN profile    TEXT   NOT NULL DEFAULT '';
ALTER TABLE shops ADD COLUMN created_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE shops ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE shops ADD COLUMN deleted_ms BIGINT NOT NULL DEFAULT 0;

ALTER TABLE devices ADD COLUMN device_type BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN category    BIGINT NOT NULL DEFAULT 0;  -- device_shift_type
ALTER TABLE devices ADD COLUMN prefix      TEXT   NOT NULL DEFAULT ''; -- with ordinal: the terminal's seat
ALTER TABLE devices ADD COLUMN ordinal     BIGINT NOT NULL DEFAULT -1;
ALTER TABLE devices ADD COLUMN profile     TEXT   NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN created_ms  BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN updated_ms  BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN deleted_ms  BIGINT NOT NULL DEFAULT 0;

ALTER TABLE staff ADD COLUMN pin        BYTEA  NOT NULL DEFAULT ''; -- sealed argon2id hash, empty for none
ALTER TABLE staff ADD COLUMN profile    TEXT   NOT NULL DEFAULT '';
ALTER TABLE staff ADD COLUMN created_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE staff ADD COLUMN updated_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE staff ADD COLUMN deleted_ms BIGINT NOT NULL DEFAULT 0;

-- One row is one device that was made with a key of its own.
CREATE TABLE init_keys (
    sn           TEXT   NOT NULL PRIMARY KEY,
    sealed       BYTEA  NOT NULL,
    merchant_id  TEXT   NOT NULL, -- what it was bound to last, '' before
    shop_id      TEXT   NOT NULL,
    device_id    TEXT   NOT NULL,
    staff_id     TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    bound_ms     BIGINT NOT NULL
);

-- One row is one operator account.
CREATE TABLE members (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    disabled    BOOLEAN NOT NULL,
    scope       TEXT    NOT NULL, -- JSON
    created_ms  BIGINT  NOT NULL,
    updated_ms  BIGINT  NOT NULL,
    deleted_ms  BIGINT  NOT NULL
);

-- One row is one configuration QR code.
CREATE TABLE tickets (
    hash         TEXT   NOT NULL PRIMARY KEY, -- of si, which is a credential
    merchant_id  TEXT   NOT NULL,
    shop_id      TEXT   NOT NULL,
    device_id    TEXT   NOT NULL,
    staff_id     TEXT   NOT NULL,
    made_by      TEXT   NOT NULL,
    created_ms   BIGINT NOT NULL,
    ends_ms      BIGINT NOT NULL
);

CREATE INDEX tickets_ended ON tickets (ends_ms);

-- One row is one device or client that asks a person to let it in.
CREATE TABLE activations (
    activator    TEXT   NOT NULL PRIMARY KEY,
    token_hash   TEXT   NOT NULL UNIQUE,
    kind         TEXT   NOT NULL,
    sn           TEXT   NOT NULL,
    merchant_id  TEXT   NOT NULL,
    shop_id      TEXT   NOT NULL,
    terminal     BIGINT NOT NULL,
    created_ms   BIGINT NOT NULL,
    ends_ms      BIGINT NOT NULL,
    granted_ms   BIGINT NOT NULL,
    granted_by   TEXT   NOT NULL,
    granted      TEXT   NOT NULL -- JSON
);

CREATE INDEX activations_ended ON activations (ends_ms);

-- One row is one data key that is no provider's, sealed under the master key.
CREATE TABLE data_keys (
    owner   TEXT  NOT NULL PRIMARY KEY,
    sealed  BYTEA NOT NULL
);

-- One row counts the changes to what one owner has: m/ a merchant, p/ a
-- provider, * the installation. Every change moves it by compare-and-set.
CREATE TABLE heads (
    owner    TEXT   NOT NULL PRIMARY KEY,
    version  BIGINT NOT NULL,
    unit     TEXT   NOT NULL -- the unit of work that changed it last
);

-- One row is one change of one object: who, when, what, before and after. Rows
-- are only ever added.
CREATE TABLE audit (
    id           TEXT   NOT NULL PRIMARY KEY, -- time, then chance: newest last
    at_ms        BIGINT NOT NULL,
    actor_kind   TEXT   NOT NULL,
    actor_id     TEXT   NOT NULL,
    actor_name   TEXT   NOT NULL,
    action       TEXT   NOT NULL,
    provider_id  TEXT   NOT NULL,
    merchant_id  TEXT   NOT NULL,
    object_kind  TEXT   NOT NULL,
    object_id    TEXT   NOT NULL,
    before       TEXT   NOT NULL, -- JSON, secrets masked
    after        TEXT   NOT NULL
);

CREATE INDEX audit_of_provider ON audit (provider_id, id);
CREATE INDEX audit_of_merchant ON audit (merchant_id, id);
CREATE INDEX audit_of_object   ON audit (object_kind, object_id, id);
CREATE INDEX audit_of_actor    ON audit (actor_kind, actor_id, id);
