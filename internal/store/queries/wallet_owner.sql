-- name: MerchantsOfWxpay :many
-- MerchantsOfWxpay returns up to two living merchants with that id at WeChat Pay.
SELECT id FROM merchants WHERE wx_sub_mch_id = sqlc.arg(sub_mch_id) AND deleted_ms = 0 ORDER BY id LIMIT 2;

-- name: MerchantsOfAlipay :many
-- MerchantsOfAlipay returns up to two living merchants with that id at Alipay.
SELECT id FROM merchants WHERE ali_seller_id = sqlc.arg(seller_id) AND deleted_ms = 0 ORDER BY id LIMIT 2;
