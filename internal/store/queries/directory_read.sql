-- name: GetProvider :one
SELECT id, name, notify_url, data_key, refund_notify_url, disabled, profile, created_ms, updated_ms, deleted_ms
FROM providers WHERE id = sqlc.arg(id);

-- name: ListProviders :many
SELECT id, name, notify_url, data_key, refund_notify_url, disabled, profile, created_ms, updated_ms, deleted_ms
FROM providers WHERE id > sqlc.arg(after) AND deleted_ms = 0 ORDER BY id LIMIT sqlc.arg(row_limit);

-- name: ListSubProviders :many
SELECT provider_id, id, name, remark, rebate_ppm, disabled, created_ms, updated_ms, deleted_ms
FROM sub_providers WHERE provider_id = sqlc.arg(provider_id) ORDER BY id;

-- name: GetMerchant :one
SELECT
    id, provider_id, name, default_body, notify_url, reverse_paid, refund_must_sign, disabled, wx_sub_mch_id,
    wx_sub_app_id, ali_app_auth_token, ali_seller_id, sub_provider_id, wx_mob_app_id, wx_mini_app_id, profile, policy,
    created_ms, updated_ms, deleted_ms, wx_api
FROM merchants WHERE id = sqlc.arg(id);

-- name: ListMerchants :many
-- ListMerchants reads a page. text is looked for in the name, and at the
-- beginning of ids and prefixes.
SELECT
    m.id, m.provider_id, m.name, m.default_body, m.notify_url, m.reverse_paid, m.refund_must_sign, m.disabled,
    m.wx_sub_mch_id, m.wx_sub_app_id, m.ali_app_auth_token, m.ali_seller_id, m.sub_provider_id, m.wx_mob_app_id,
    m.wx_mini_app_id, m.profile, m.policy, m.created_ms, m.updated_ms, m.deleted_ms, m.wx_api
FROM merchants AS m
WHERE m.id > sqlc.arg(after) AND m.deleted_ms = 0
  AND (CAST(sqlc.arg(provider_id) AS TEXT) = '' OR m.provider_id = CAST(sqlc.arg(provider_id) AS TEXT))
  AND (CAST(sqlc.arg(sub_provider_id) AS TEXT) = '' OR m.sub_provider_id = CAST(sqlc.arg(sub_provider_id) AS TEXT))
  AND (CAST(sqlc.arg(search) AS TEXT) = ''
    OR replace(m.name, CAST(sqlc.arg(search) AS TEXT), '') <> m.name
    OR substr(m.id, 1, length(CAST(sqlc.arg(search) AS TEXT))) = CAST(sqlc.arg(search) AS TEXT)
    OR EXISTS (
        SELECT 1 FROM prefixes AS p
        WHERE p.merchant_id = m.id
          AND substr(p.prefix, 1, length(CAST(sqlc.arg(search) AS TEXT))) = CAST(sqlc.arg(search) AS TEXT)
    ))
ORDER BY m.id LIMIT sqlc.arg(row_limit);

-- name: ListKeys :many
SELECT merchant_id, id, kind, sealed, public_pem, created_ms, ends_ms, seen_ms
FROM merchant_keys WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY created_ms DESC, id;

-- name: ListAdmins :many
SELECT
    merchant_id, id, name, refund_auth, one_code_notes, open_id, mch_open_id, duty, phone, created_ms, updated_ms, deleted_ms
FROM admins WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY id;

-- name: GetAccount :one
SELECT provider_id, channel, fields
FROM accounts WHERE provider_id = sqlc.arg(provider_id) AND channel = sqlc.arg(channel);

-- name: GetShop :one
SELECT id, merchant_id, name, number, profile, created_ms, updated_ms, deleted_ms
FROM shops WHERE id = sqlc.arg(id);

-- name: ListPrefixes :many
SELECT prefix FROM prefixes WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY prefix;

-- name: ListShops :many
SELECT id, merchant_id, name, number, profile, created_ms, updated_ms, deleted_ms
FROM shops WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY id;

-- name: ListDevices :many
SELECT
    merchant_id, shop_id, id, name, sn, device_type, category, prefix, ordinal, profile, created_ms, updated_ms, deleted_ms
FROM devices WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY shop_id, id;

-- name: ListStaff :many
SELECT merchant_id, shop_id, id, name, shop_manager, refund_auth, pin, profile, created_ms, updated_ms, deleted_ms
FROM staff WHERE merchant_id = sqlc.arg(merchant_id) ORDER BY shop_id, id;

-- name: GetDataKey :one
SELECT owner, sealed FROM data_keys WHERE owner = sqlc.arg(owner);

-- name: ListProviderKeys :many
SELECT id, data_key FROM providers WHERE id > sqlc.arg(after) ORDER BY id LIMIT sqlc.arg(row_limit);

-- name: GetInitKey :one
SELECT sn, sealed, merchant_id, shop_id, device_id, staff_id, created_ms, bound_ms
FROM init_keys WHERE sn = sqlc.arg(sn);

-- name: GetMember :one
SELECT id, name, role, disabled, scope, created_ms, updated_ms, deleted_ms
FROM members WHERE id = sqlc.arg(id);

-- name: ListMembers :many
SELECT id, name, role, disabled, scope, created_ms, updated_ms, deleted_ms
FROM members WHERE id > sqlc.arg(after) AND deleted_ms = 0 ORDER BY id LIMIT sqlc.arg(row_limit);

-- name: GetTicket :one
SELECT hash, merchant_id, shop_id, device_id, staff_id, made_by, created_ms, ends_ms
FROM tickets WHERE hash = sqlc.arg(hash);

-- name: GetActivation :one
SELECT
    activator, token_hash, kind, sn, merchant_id, shop_id, terminal, created_ms, ends_ms, granted_ms, granted_by, granted
FROM activations WHERE activator = sqlc.arg(activator);

-- name: GetActivationByToken :one
SELECT
    activator, token_hash, kind, sn, merchant_id, shop_id, terminal, created_ms, ends_ms, granted_ms, granted_by, granted
FROM activations WHERE token_hash = sqlc.arg(token_hash);

-- name: ListAudit :many
-- ListAudit reads a page of the trail, newest first. Ids begin with the time.
SELECT id, at_ms, actor_kind, actor_id, actor_name, action, provider_id, merchant_id, object_kind, object_id, before, after
FROM audit
WHERE id >= CAST(sqlc.arg(from_id) AS TEXT) AND id < CAST(sqlc.arg(to_id) AS TEXT)
  AND (CAST(sqlc.arg(provider_id) AS TEXT) = '' OR provider_id = CAST(sqlc.arg(provider_id) AS TEXT))
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND (CAST(sqlc.arg(object_kind) AS TEXT) = '' OR object_kind = CAST(sqlc.arg(object_kind) AS TEXT))
  AND (CAST(sqlc.arg(object_id) AS TEXT) = '' OR object_id = CAST(sqlc.arg(object_id) AS TEXT))
  AND (CAST(sqlc.arg(actor_kind) AS TEXT) = '' OR actor_kind = CAST(sqlc.arg(actor_kind) AS TEXT))
  AND (CAST(sqlc.arg(actor_id) AS TEXT) = '' OR actor_id = CAST(sqlc.arg(actor_id) AS TEXT))
ORDER BY id DESC LIMIT sqlc.arg(row_limit);

-- name: ListAuditOfObject :many
-- ListAuditOfObject is ListAudit by its index of objects.
SELECT id, at_ms, actor_kind, actor_id, actor_name, action, provider_id, merchant_id, object_kind, object_id, before, after
FROM audit
WHERE id >= CAST(sqlc.arg(from_id) AS TEXT) AND id < CAST(sqlc.arg(to_id) AS TEXT)
  AND (CAST(sqlc.arg(provider_id) AS TEXT) = '' OR provider_id = CAST(sqlc.arg(provider_id) AS TEXT))
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND object_kind = CAST(sqlc.arg(object_kind) AS TEXT)
  AND object_id = CAST(sqlc.arg(object_id) AS TEXT)
  AND (CAST(sqlc.arg(actor_kind) AS TEXT) = '' OR actor_kind = CAST(sqlc.arg(actor_kind) AS TEXT))
  AND (CAST(sqlc.arg(actor_id) AS TEXT) = '' OR actor_id = CAST(sqlc.arg(actor_id) AS TEXT))
ORDER BY id DESC LIMIT sqlc.arg(row_limit);

-- name: ListAuditOfActor :many
-- ListAuditOfActor is ListAudit by its index of actors.
SELECT id, at_ms, actor_kind, actor_id, actor_name, action, provider_id, merchant_id, object_kind, object_id, before, after
FROM audit
WHERE id >= CAST(sqlc.arg(from_id) AS TEXT) AND id < CAST(sqlc.arg(to_id) AS TEXT)
  AND (CAST(sqlc.arg(provider_id) AS TEXT) = '' OR provider_id = CAST(sqlc.arg(provider_id) AS TEXT))
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND (CAST(sqlc.arg(object_kind) AS TEXT) = '' OR object_kind = CAST(sqlc.arg(object_kind) AS TEXT))
  AND (CAST(sqlc.arg(object_id) AS TEXT) = '' OR object_id = CAST(sqlc.arg(object_id) AS TEXT))
  AND actor_kind = CAST(sqlc.arg(actor_kind) AS TEXT)
  AND actor_id = CAST(sqlc.arg(actor_id) AS TEXT)
ORDER BY id DESC LIMIT sqlc.arg(row_limit);

-- name: ListAuditOfMerchant :many
-- ListAuditOfMerchant is ListAudit by its index of merchants.
SELECT id, at_ms, actor_kind, actor_id, actor_name, action, provider_id, merchant_id, object_kind, object_id, before, after
FROM audit
WHERE id >= CAST(sqlc.arg(from_id) AS TEXT) AND id < CAST(sqlc.arg(to_id) AS TEXT)
  AND (CAST(sqlc.arg(provider_id) AS TEXT) = '' OR provider_id = CAST(sqlc.arg(provider_id) AS TEXT))
  AND merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT)
  AND (CAST(sqlc.arg(object_kind) AS TEXT) = '' OR object_kind = CAST(sqlc.arg(object_kind) AS TEXT))
  AND (CAST(sqlc.arg(object_id) AS TEXT) = '' OR object_id = CAST(sqlc.arg(object_id) AS TEXT))
  AND (CAST(sqlc.arg(actor_kind) AS TEXT) = '' OR actor_kind = CAST(sqlc.arg(actor_kind) AS TEXT))
  AND (CAST(sqlc.arg(actor_id) AS TEXT) = '' OR actor_id = CAST(sqlc.arg(actor_id) AS TEXT))
ORDER BY id DESC LIMIT sqlc.arg(row_limit);

-- name: ListAuditOfProvider :many
-- ListAuditOfProvider is ListAudit by its index of providers.
SELECT id, at_ms, actor_kind, actor_id, actor_name, action, provider_id, merchant_id, object_kind, object_id, before, after
FROM audit
WHERE id >= CAST(sqlc.arg(from_id) AS TEXT) AND id < CAST(sqlc.arg(to_id) AS TEXT)
  AND provider_id = CAST(sqlc.arg(provider_id) AS TEXT)
  AND (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND (CAST(sqlc.arg(object_kind) AS TEXT) = '' OR object_kind = CAST(sqlc.arg(object_kind) AS TEXT))
  AND (CAST(sqlc.arg(object_id) AS TEXT) = '' OR object_id = CAST(sqlc.arg(object_id) AS TEXT))
  AND (CAST(sqlc.arg(actor_kind) AS TEXT) = '' OR actor_kind = CAST(sqlc.arg(actor_kind) AS TEXT))
  AND (CAST(sqlc.arg(actor_id) AS TEXT) = '' OR actor_id = CAST(sqlc.arg(actor_id) AS TEXT))
ORDER BY id DESC LIMIT sqlc.arg(row_limit);
