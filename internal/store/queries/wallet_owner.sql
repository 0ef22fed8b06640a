-- name: MerchantsOfWxpay :many
-- MerchantsOfWxpay returns up to two living merchants with that id at WeChat Pay.
SELECT id FROM merchants WHERE wx_sub_mch_id = sqlc.arg(sub_mch_id) AND deleted_ms = 0 ORDER BY id LIMIT 2;

-- name: MerchantsOfAlipay :many
-- MerchantsOfAlipay returns up to two living merchants with that id at Alipay.
SELECT id FROM merchants WHERE ali_seller_id = sqlc.arg(seller_id) AND deleted_ms = 0 ORDER BY id LIMIT 2;

-- name: OthersOfWxpay :many
-- OthersOfWxpay returns a living merchant of a provider with that id at WeChat
-- Pay, other than one.
SELECT id FROM merchants
WHERE wx_sub_mch_id = sqlc.arg(sub_mch_id) AND provider_id = sqlc.arg(provider_id) AND id <> sqlc.arg(but) AND deleted_ms = 0
LIMIT 1;

-- name: OthersOfAlipay :many
-- OthersOfAlipay is OthersOfWxpay for an id at Alipay.
SELECT id FROM merchants
WHERE ali_seller_id = sqlc.arg(seller_id) AND provider_id = sqlc.arg(provider_id) AND id <> sqlc.arg(but) AND deleted_ms = 0
LIMIT 1;

-- name: ListPrefixOwners :many
-- ListPrefixOwners reads whose some order prefixes are, of deleted merchants
-- too. Prefixes may repeat.
SELECT prefix, merchant_id FROM prefixes
WHERE prefix IN (sqlc.arg(n1), sqlc.arg(n2), sqlc.arg(n3), sqlc.arg(n4), sqlc.arg(n5), sqlc.arg(n6), sqlc.arg(n7), sqlc.arg(n8), sqlc.arg(n9), sqlc.arg(n10), sqlc.arg(n11), sqlc.arg(n12), sqlc.arg(n13), sqlc.arg(n14), sqlc.arg(n15), sqlc.arg(n16), sqlc.arg(n17), sqlc.arg(n18), sqlc.arg(n19), sqlc.arg(n20));
