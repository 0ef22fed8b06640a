-- query_identity_mapping may name a merchant by its id at a wallet.

-- +goose Up

CREATE INDEX merchants_by_wxpay ON merchants (wx_sub_mch_id);
CREATE INDEX merchants_by_alipay ON merchants (ali_seller_id);
