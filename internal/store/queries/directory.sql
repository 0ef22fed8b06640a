-- name: TakeHead :execrows
-- TakeHead is the first statement of every change: it takes the owner's
-- version by compare-and-set. A unit that does not get it is rolled back.
INSERT INTO heads (owner, version, unit)
VALUES (sqlc.arg(owner), CAST(sqlc.arg(version) AS BIGINT) + 1, sqlc.arg(unit))
ON CONFLICT (owner) DO UPDATE SET version = heads.version + 1, unit = excluded.unit
WHERE heads.version = CAST(sqlc.arg(version) AS BIGINT);

-- name: GetHead :one
SELECT owner, version, unit FROM heads WHERE owner = sqlc.arg(owner);

-- name: PutProvider :execrows
-- PutProvider adds a provider or makes its row equal to this. The data key of
-- one that exists stays: everything below it is sealed with that key.
INSERT INTO providers (id, name, notify_url, refund_notify_url, data_key, disabled, profile, created_ms, updated_ms, deleted_ms)
VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(notify_url), sqlc.arg(refund_notify_url), sqlc.arg(data_key),
    sqlc.arg(disabled), sqlc.arg(profile), sqlc.arg(created_ms), sqlc.arg(updated_ms), sqlc.arg(deleted_ms))
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, notify_url = excluded.notify_url, refund_notify_url = excluded.refund_notify_url,
    disabled = excluded.disabled, profile = excluded.profile, created_ms = excluded.created_ms,
    updated_ms = excluded.updated_ms, deleted_ms = excluded.deleted_ms;

-- name: PutSubProvider :execrows
-- PutSubProvider adds a sub-provider or makes its row equal to this.
INSERT INTO sub_providers (provider_id, id, name, remark, rebate_ppm, disabled, created_ms, updated_ms, deleted_ms)
VALUES (sqlc.arg(provider_id), sqlc.arg(id), sqlc.arg(name), sqlc.arg(remark), sqlc.arg(rebate_ppm), sqlc.arg(disabled),
    sqlc.arg(created_ms), sqlc.arg(updated_ms), sqlc.arg(deleted_ms))
ON CONFLICT (provider_id, id) DO UPDATE SET
    name = excluded.name, remark = excluded.remark, rebate_ppm = excluded.rebate_ppm, disabled = excluded.disabled,
    created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, deleted_ms = excluded.deleted_ms;

-- name: PutMerchant :execrows
-- PutMerchant adds a merchant or makes its row equal to this, but never moves
-- it to another provider. Repeating it leaves the same row.
INSERT INTO merchants (
    id, provider_id, sub_provider_id, name, default_body, notify_url, reverse_paid, refund_must_sign, disabled,
    wx_sub_mch_id, wx_sub_app_id, wx_mob_app_id, wx_mini_app_id, wx_api, ali_app_auth_token, ali_seller_id, profile, policy,
    created_ms, updated_ms, deleted_ms
)
VALUES (
    sqlc.arg(id), sqlc.arg(provider_id), sqlc.arg(sub_provider_id), sqlc.arg(name), sqlc.arg(default_body),
    sqlc.arg(notify_url), sqlc.arg(reverse_paid), sqlc.arg(refund_must_sign), sqlc.arg(disabled),
    sqlc.arg(wx_sub_mch_id), sqlc.arg(wx_sub_app_id), sqlc.arg(wx_mob_app_id), sqlc.arg(wx_mini_app_id), sqlc.arg(wx_api),
    sqlc.arg(ali_app_auth_token), sqlc.arg(ali_seller_id), sqlc.arg(profile), sqlc.arg(policy),
    sqlc.arg(created_ms), sqlc.arg(updated_ms), sqlc.arg(deleted_ms)
)
ON CONFLICT (id) DO UPDATE SET
    sub_provider_id = excluded.sub_provider_id, name = excluded.name, default_body = excluded.default_body,
    notify_url = excluded.notify_url, reverse_paid = excluded.reverse_paid, refund_must_sign = excluded.refund_must_sign,
    disabled = excluded.disabled, wx_sub_mch_id = excluded.wx_sub_mch_id, wx_sub_app_id = excluded.wx_sub_app_id,
    wx_mob_app_id = excluded.wx_mob_app_id, wx_mini_app_id = excluded.wx_mini_app_id, wx_api = excluded.wx_api,
    ali_app_auth_token = excluded.ali_app_auth_token, ali_seller_id = excluded.ali_seller_id,
    profile = excluded.profile, policy = excluded.policy, created_ms = excluded.created_ms,
    updated_ms = excluded.updated_ms, deleted_ms = excluded.deleted_ms
WHERE merchants.provider_id = excluded.provider_id;

-- name: PutKey :execrows
-- PutKey adds a key or changes when it ends. Its value and when it was first
-- used stay.
INSERT INTO merchant_keys (merchant_id, id, kind, sealed, public_pem, created_ms, ends_ms, seen_ms)
VALUES (sqlc.arg(merchant_id), sqlc.arg(id), sqlc.arg(kind), sqlc.arg(sealed), sqlc.arg(public_pem),
    sqlc.arg(created_ms), sqlc.arg(ends_ms), 0)
ON CONFLICT (merchant_id, id) DO UPDATE SET ends_ms = excluded.ends_ms;

-- name: SawKey :execrows
-- SawKey records the first use of a key. Repeating it changes nothing.
UPDATE merchant_keys SET seen_ms = sqlc.arg(seen_ms)
WHERE merchant_id = sqlc.arg(merchant_id) AND id = sqlc.arg(id) AND seen_ms = 0;

-- name: PutAdmin :execrows
-- PutAdmin adds an administrator or makes the row equal to this.
INSERT INTO admins (
    merchant_id, id, name, refund_auth, one_code_notes, open_id, mch_open_id, duty, phone, created_ms, updated_ms, deleted_ms
)
VALUES (sqlc.arg(merchant_id), sqlc.arg(id), sqlc.arg(name), sqlc.arg(refund_auth), sqlc.arg(one_code_notes),
    sqlc.arg(open_id), sqlc.arg(mch_open_id), sqlc.arg(duty), sqlc.arg(phone), sqlc.arg(created_ms),
    sqlc.arg(updated_ms), sqlc.arg(deleted_ms))
ON CONFLICT (merchant_id, id) DO UPDATE SET
    name = excluded.name, refund_auth = excluded.refund_auth, one_code_notes = excluded.one_code_notes,
    open_id = excluded.open_id, mch_open_id = excluded.mch_open_id, duty = excluded.duty, phone = excluded.phone,
    created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, deleted_ms = excluded.deleted_ms;

-- name: PutShop :execrows
-- PutShop adds a shop or makes its row equal to this, but never moves it to
-- another merchant.
INSERT INTO shops (id, merchant_id, number, name, profile, created_ms, updated_ms, deleted_ms)
VALUES (sqlc.arg(id), sqlc.arg(merchant_id), sqlc.arg(number), sqlc.arg(name), sqlc.arg(profile), sqlc.arg(created_ms),
    sqlc.arg(updated_ms), sqlc.arg(deleted_ms))
ON CONFLICT (id) DO UPDATE SET
    number = excluded.number, name = excluded.name, profile = excluded.profile, created_ms = excluded.created_ms,
    updated_ms = excluded.updated_ms, deleted_ms = excluded.deleted_ms
WHERE shops.merchant_id = excluded.merchant_id;

-- name: PutDevice :execrows
-- PutDevice adds a device or makes its row equal to this.
INSERT INTO devices (
    merchant_id, shop_id, id, name, device_type, category, sn, prefix, ordinal, profile, created_ms, updated_ms, deleted_ms
)
VALUES (sqlc.arg(merchant_id), sqlc.arg(shop_id), sqlc.arg(id), sqlc.arg(name), sqlc.arg(device_type), sqlc.arg(category),
    sqlc.arg(sn), sqlc.arg(prefix), sqlc.arg(ordinal), sqlc.arg(profile), sqlc.arg(created_ms), sqlc.arg(updated_ms),
    sqlc.arg(deleted_ms))
ON CONFLICT (merchant_id, shop_id, id) DO UPDATE SET
    name = excluded.name, device_type = excluded.device_type, category = excluded.category, sn = excluded.sn,
    prefix = excluded.prefix, ordinal = excluded.ordinal, profile = excluded.profile, created_ms = excluded.created_ms,
    updated_ms = excluded.updated_ms, deleted_ms = excluded.deleted_ms;

-- name: PutStaff :execrows
-- PutStaff adds a person or makes the row equal to this.
INSERT INTO staff (
    merchant_id, shop_id, id, name, shop_manager, refund_auth, pin, profile, created_ms, updated_ms, deleted_ms
)
VALUES (sqlc.arg(merchant_id), sqlc.arg(shop_id), sqlc.arg(id), sqlc.arg(name), sqlc.arg(shop_manager),
    sqlc.arg(refund_auth), sqlc.arg(pin), sqlc.arg(profile), sqlc.arg(created_ms), sqlc.arg(updated_ms), sqlc.arg(deleted_ms))
ON CONFLICT (merchant_id, shop_id, id) DO UPDATE SET
    name = excluded.name, shop_manager = excluded.shop_manager, refund_auth = excluded.refund_auth, pin = excluded.pin,
    profile = excluded.profile, created_ms = excluded.created_ms, updated_ms = excluded.updated_ms,
    deleted_ms = excluded.deleted_ms;

-- name: LockPrefixes :execrows
-- LockPrefixes makes everybody else who gives out a prefix wait for this unit.
UPDATE prefix_lock SET given = given + 1 WHERE id = 1;

-- name: PutPrefix :execrows
-- PutPrefix adds a prefix unless another one overlaps with it, whoever has it.
-- One that the merchant has already counts as added.
INSERT INTO prefixes (prefix, merchant_id)
SELECT CAST(sqlc.arg(prefix) AS TEXT), m.id
FROM merchants AS m
WHERE m.id = sqlc.arg(merchant_id)
  AND NOT EXISTS (
      SELECT 1 FROM prefixes AS r
      WHERE r.prefix <> CAST(sqlc.arg(prefix) AS TEXT)
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

-- name: PutInitKey :execrows
-- PutInitKey enrols a factory device or records what it is bound to. Its key
-- stays.
INSERT INTO init_keys (sn, sealed, merchant_id, shop_id, device_id, staff_id, created_ms, bound_ms)
VALUES (sqlc.arg(sn), sqlc.arg(sealed), sqlc.arg(merchant_id), sqlc.arg(shop_id), sqlc.arg(device_id), sqlc.arg(staff_id),
    sqlc.arg(created_ms), sqlc.arg(bound_ms))
ON CONFLICT (sn) DO UPDATE SET
    merchant_id = excluded.merchant_id, shop_id = excluded.shop_id, device_id = excluded.device_id,
    staff_id = excluded.staff_id, bound_ms = excluded.bound_ms;

-- name: PutMember :execrows
-- PutMember adds an operator account or makes the row equal to this.
INSERT INTO members (id, name, role, disabled, scope, created_ms, updated_ms, deleted_ms)
VALUES (sqlc.arg(id), sqlc.arg(name), sqlc.arg(role), sqlc.arg(disabled), sqlc.arg(scope), sqlc.arg(created_ms),
    sqlc.arg(updated_ms), sqlc.arg(deleted_ms))
ON CONFLICT (id) DO UPDATE SET
    name = excluded.name, role = excluded.role, disabled = excluded.disabled, scope = excluded.scope,
    created_ms = excluded.created_ms, updated_ms = excluded.updated_ms, deleted_ms = excluded.deleted_ms;

-- name: AddAudit :execrows
-- AddAudit adds one line to the trail. Repeating it after an ambiguous commit
-- adds nothing: the id is the line's own.
INSERT INTO audit (
    id, at_ms, actor_kind, actor_id, actor_name, action, provider_id, merchant_id, object_kind, object_id, before, after
)
VALUES (sqlc.arg(id), sqlc.arg(at_ms), sqlc.arg(actor_kind), sqlc.arg(actor_id), sqlc.arg(actor_name), sqlc.arg(action),
    sqlc.arg(provider_id), sqlc.arg(merchant_id), sqlc.arg(object_kind), sqlc.arg(object_id), sqlc.arg(before),
    sqlc.arg(after))
ON CONFLICT (id) DO NOTHING;

-- name: PutDataKey :execrows
-- PutDataKey stores a data key unless the owner has one.
INSERT INTO data_keys (owner, sealed) VALUES (sqlc.arg(owner), sqlc.arg(sealed))
ON CONFLICT (owner) DO NOTHING;

-- name: RewrapDataKey :execrows
-- RewrapDataKey replaces a data key by the same one under another master key,
-- if it is still sealed as the caller saw it. Repeating it changes nothing.
UPDATE data_keys SET sealed = sqlc.arg(sealed) WHERE owner = sqlc.arg(owner) AND sealed = sqlc.arg(was);

-- name: RewrapProvider :execrows
-- RewrapProvider is RewrapDataKey for a provider's.
UPDATE providers SET data_key = sqlc.arg(sealed) WHERE id = sqlc.arg(id) AND data_key = sqlc.arg(was);

-- name: PutTicket :execrows
INSERT INTO tickets (hash, merchant_id, shop_id, device_id, staff_id, made_by, created_ms, ends_ms)
VALUES (sqlc.arg(hash), sqlc.arg(merchant_id), sqlc.arg(shop_id), sqlc.arg(device_id), sqlc.arg(staff_id),
    sqlc.arg(made_by), sqlc.arg(created_ms), sqlc.arg(ends_ms))
ON CONFLICT (hash) DO NOTHING;

-- name: SweepTickets :execrows
DELETE FROM tickets WHERE ends_ms < sqlc.arg(before_ms);

-- name: PutActivation :execrows
INSERT INTO activations (
    activator, token_hash, kind, sn, merchant_id, shop_id, terminal, created_ms, ends_ms, granted_ms, granted_by, granted
)
VALUES (sqlc.arg(activator), sqlc.arg(token_hash), sqlc.arg(kind), sqlc.arg(sn), sqlc.arg(merchant_id), sqlc.arg(shop_id),
    sqlc.arg(terminal), sqlc.arg(created_ms), sqlc.arg(ends_ms), sqlc.arg(granted_ms), sqlc.arg(granted_by), sqlc.arg(granted))
ON CONFLICT (activator) DO NOTHING;

-- name: SweepActivations :execrows
DELETE FROM activations WHERE ends_ms < sqlc.arg(before_ms);

-- name: GrantActivation :execrows
-- GrantActivation lets one in, once, while it lives.
UPDATE activations SET granted_ms = sqlc.arg(granted_ms), granted_by = sqlc.arg(granted_by), granted = sqlc.arg(granted)
WHERE activator = sqlc.arg(activator) AND granted_ms = 0 AND ends_ms > sqlc.arg(now_ms);
