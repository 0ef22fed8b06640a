-- name: PutProvider :execrows
-- PutProvider adds a provider or changes its name and address. The data key of
-- one that exists stays: everything below it is sealed with that key.
INSERT INTO providers (id, name, notify_url, data_key)
VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(notify_url), sqlc.arg(data_key))
ON CONFLICT (id) DO UPDATE SET name = excluded.name, notify_url = excluded.notify_url;

-- name: PutMerchant :execrows
-- PutMerchant adds a merchant or makes its row equal to this, but never moves
-- it to another provider. Repeating it leaves the same row.
INSERT INTO merchants (
    id, provider_id, name, default_body, authen_key, public_key_pem, notify_url, reverse_paid, refund_must_sign,
    disabled, wx_sub_mch_id, wx_sub_app_id, ali_app_auth_token, ali_seller_id
)
VALUES (
    sqlc.arg(id), sqlc.arg(provider_id), sqlc.arg(name), sqlc.arg(default_body), sqlc.arg(authen_key),
    sqlc.arg(public_key_pem), sqlc.arg(notify_url), sqlc.arg(reverse_paid), sqlc.arg(refund_must_sign),
    sqlc.arg(disabled), sqlc.arg(wx_sub_mch_id), sqlc.arg(wx_sub_app_id), sqlc.arg(ali_app_auth_token),
    sqlc.arg(ali_seller_id)
)
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, default_body = excluded.default_body, authen_key = excluded.authen_key,
    public_key_pem = excluded.public_key_pem, notify_url = excluded.notify_url, reverse_paid = excluded.reverse_paid,
    refund_must_sign = excluded.refund_must_sign, disabled = excluded.disabled, wx_sub_mch_id = excluded.wx_sub_mch_id,
    wx_sub_app_id = excluded.wx_sub_app_id, ali_app_auth_token = excluded.ali_app_auth_token,
    ali_seller_id = excluded.ali_seller_id
WHERE merchants.provider_id = excluded.provider_id;

-- name: PutShop :execrows
-- PutShop adds a shop or renames it, but never moves it to another merchant.
INSERT INTO shops (id, merchant_id, name)
VALUES (sqlc.arg(id), sqlc.arg(merchant_id), sqlc.arg(name))
ON CONFLICT (id) DO UPDATE SET name = excluded.name
WHERE shops.merchant_id = excluded.merchant_id;

-- name: PutDevice :execrows
-- PutDevice adds a device or makes its row equal to this.
INSERT INTO devices (merchant_id, shop_id, id, name, sn)
VALUES (sqlc.arg(merchant_id), sqlc.arg(shop_id), sqlc.arg(id), sqlc.arg(name), sqlc.arg(sn))
ON CONFLICT (merchant_id, shop_id, id) DO UPDATE SET name = excluded.name, sn = excluded.sn;

-- name: PutStaff :execrows
-- PutStaff adds a person or makes the row equal to this.
INSERT INTO staff (merchant_id, shop_id, id, name, shop_manager, refund_auth)
VALUES (sqlc.arg(merchant_id), sqlc.arg(shop_id), sqlc.arg(id), sqlc.arg(name), sqlc.arg(shop_manager), sqlc.arg(refund_auth))
ON CONFLICT (merchant_id, shop_id, id) DO UPDATE SET
    name = excluded.name, shop_manager = excluded.shop_manager, refund_auth = excluded.refund_auth;

-- name: LockPrefixes :execrows
-- LockPrefixes makes everybody else who gives out a prefix wait for this unit.
UPDATE prefix_lock SET given = given + 1 WHERE id = 1;

-- name: PutPrefix :execrows
-- PutPrefix adds a prefix unless another merchant's overlaps with it. One that
-- the merchant has already counts as added.
INSERT INTO prefixes (prefix, merchant_id)
SELECT CAST(sqlc.arg(prefix) AS TEXT), m.id
FROM merchants AS m
WHERE m.id = sqlc.arg(merchant_id)
  AND NOT EXISTS (
      SELECT 1 FROM prefixes AS r
      WHERE r.merchant_id <> sqlc.arg(merchant_id)
        AND (substr(r.prefix, 1, length(CAST(sqlc.arg(prefix) AS TEXT))) = CAST(sqlc.arg(prefix) AS TEXT)
          OR substr(CAST(sqlc.arg(prefix) AS TEXT), 1, length(r.prefix)) = r.prefix)
  )
ON CONFLICT (prefix) DO UPDATE SET merchant_id = excluded.merchant_id
WHERE prefixes.merchant_id = excluded.merchant_id;

-- name: PutAccount :execrows
-- PutAccount adds an account or replaces its sealed fields.
INSERT INTO accounts (provider_id, channel, fields)
VALUES (sqlc.arg(provider_id), sqlc.arg(channel), sqlc.arg(fields))
ON CONFLICT (provider_id, channel) DO UPDATE SET fields = excluded.fields;

-- name: GetProvider :one
SELECT id, name, notify_url, data_key
FROM providers WHERE id = sqlc.arg(id);

-- name: GetMerchant :one
SELECT
    id, provider_id, name, default_body, authen_key, public_key_pem, notify_url, reverse_paid,
    refund_must_sign, disabled, wx_sub_mch_id, wx_sub_app_id, ali_app_auth_token, ali_seller_id
FROM merchants WHERE id = sqlc.arg(id);

-- name: GetAccount :one
SELECT provider_id, channel, fields
FROM accounts WHERE provider_id = sqlc.arg(provider_id) AND channel = sqlc.arg(channel);

-- name: GetShop :one
SELECT id, merchant_id, name
FROM shops WHERE id = sqlc.arg(id);

-- name: ListPrefixes :many
SELECT prefix FROM prefixes WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY prefix;

-- name: ListShops :many
SELECT id, merchant_id, name
FROM shops WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY id;

-- name: ListDevices :many
SELECT merchant_id, shop_id, id, name, sn
FROM devices WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY shop_id, id;

-- name: ListStaff :many
SELECT merchant_id, shop_id, id, name, shop_manager, refund_auth
FROM staff WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY shop_id, id;
