-- name: InsertRefund :execrows
-- InsertRefund writes the refund whose amount this unit reserved. A number that
-- exists is an error on purpose: it rolls the reservation back.
INSERT INTO refunds (
    merchant_id, out_refund_no, out_trade_no, channel, state, origin, unit, open_unit, total, amount, reason,
    notify_url, extra, refund_id, settlement, cash, recv_account, succeeded_ms, sent_ms, tried_ms, tries,
    accepted, unanswered, refused, do_act, do_ms, missing_ms, created_ms, updated_ms, code, text, shop_id,
    device_id, staff_id, authorized_by, trade_type, terminal_type, sub_terminal_type, authen, account, promo
)
SELECT
    o.merchant_id, CAST(sqlc.arg(out_refund_no) AS TEXT), o.out_trade_no, o.channel, CAST(sqlc.arg(state) AS TEXT),
    CAST(sqlc.arg(origin) AS TEXT), o.unit, o.unit, o.total, CAST(sqlc.arg(amount) AS BIGINT),
    CAST(sqlc.arg(reason) AS TEXT), CAST(sqlc.arg(notify_url) AS TEXT), CAST(sqlc.arg(extra) AS TEXT),
    CAST(sqlc.arg(refund_id) AS TEXT), CAST(sqlc.arg(settlement) AS BIGINT), CAST(sqlc.arg(cash) AS BIGINT),
    CAST(sqlc.arg(recv_account) AS TEXT), CAST(sqlc.arg(succeeded_ms) AS BIGINT), CAST(sqlc.arg(sent_ms) AS BIGINT),
    CAST(sqlc.arg(tried_ms) AS BIGINT), CAST(sqlc.arg(tries) AS BIGINT), CAST(sqlc.arg(accepted) AS BOOLEAN),
    CAST(sqlc.arg(unanswered) AS BOOLEAN), CAST(sqlc.arg(refused) AS BOOLEAN), CAST(sqlc.arg(do_act) AS TEXT),
    CAST(sqlc.arg(do_ms) AS BIGINT), CAST(sqlc.arg(missing_ms) AS BIGINT), CAST(sqlc.arg(created_ms) AS BIGINT),
    CAST(sqlc.arg(updated_ms) AS BIGINT), CAST(sqlc.arg(code) AS TEXT), CAST(sqlc.arg(text) AS TEXT),
    CAST(sqlc.arg(shop_id) AS TEXT), CAST(sqlc.arg(device_id) AS TEXT), CAST(sqlc.arg(staff_id) AS TEXT),
    CAST(sqlc.arg(authorized_by) AS TEXT), o.trade_type, CAST(sqlc.arg(terminal_type) AS BIGINT),
    CAST(sqlc.arg(sub_terminal_type) AS BIGINT), CAST(sqlc.arg(authen) AS TEXT), CAST(sqlc.arg(account) AS TEXT),
    CAST(sqlc.arg(promo) AS TEXT)
FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit);

-- name: SettleRefund :execrows
-- SettleRefund moves a refund from exactly the row the decision was made on, and
-- if that was made on the order's row, too, only after this unit has taken it
-- (TakeOrder).
-- Repeating it changes nothing, because the row then carries this unit.
UPDATE refunds SET
    state = sqlc.arg(state),
    unit = sqlc.arg(unit),
    refund_id = sqlc.arg(refund_id),
    settlement = sqlc.arg(settlement),
    cash = sqlc.arg(cash),
    recv_account = sqlc.arg(recv_account),
    succeeded_ms = sqlc.arg(succeeded_ms),
    sent_ms = sqlc.arg(sent_ms),
    tried_ms = sqlc.arg(tried_ms),
    tries = sqlc.arg(tries),
    accepted = sqlc.arg(accepted),
    unanswered = sqlc.arg(unanswered),
    refused = sqlc.arg(refused),
    do_act = sqlc.arg(do_act),
    do_ms = sqlc.arg(do_ms),
    missing_ms = sqlc.arg(missing_ms),
    updated_ms = sqlc.arg(updated_ms),
    code = sqlc.arg(code),
    text = sqlc.arg(text),
    promo = sqlc.arg(promo)
WHERE refunds.merchant_id = sqlc.arg(merchant_id)
  AND refunds.out_refund_no = sqlc.arg(out_refund_no)
  AND refunds.out_trade_no = sqlc.arg(out_trade_no)
  AND refunds.state = sqlc.arg(from_state)
  AND refunds.unit = sqlc.arg(from_unit)
  AND (NOT CAST(sqlc.arg(on_order) AS BOOLEAN) OR EXISTS (
      SELECT 1 FROM orders AS o
      WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit)
  ));

-- name: GetRefund :one
-- GetRefund reads one refund. It changes nothing.
SELECT
    merchant_id, out_refund_no, out_trade_no, channel, state, origin, unit, open_unit, total, amount, reason,
    notify_url, extra, refund_id, settlement, cash, recv_account, succeeded_ms, sent_ms, tried_ms, tries,
    accepted, unanswered, refused, do_act, do_ms, missing_ms, created_ms, updated_ms, code, text, shop_id,
    device_id, staff_id, authorized_by, trade_type, terminal_type, sub_terminal_type, authen, account, promo
FROM refunds WHERE merchant_id = sqlc.arg(merchant_id) AND out_refund_no = sqlc.arg(out_refund_no);

-- name: ListRefunds :many
-- ListRefunds reads the refunds of one order in the order of their creation.
SELECT
    merchant_id, out_refund_no, out_trade_no, channel, state, origin, unit, open_unit, total, amount, reason,
    notify_url, extra, refund_id, settlement, cash, recv_account, succeeded_ms, sent_ms, tried_ms, tries,
    accepted, unanswered, refused, do_act, do_ms, missing_ms, created_ms, updated_ms, code, text, shop_id,
    device_id, staff_id, authorized_by, trade_type, terminal_type, sub_terminal_type, authen, account, promo
FROM refunds
WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no)
ORDER BY created_ms, out_refund_no
LIMIT sqlc.arg(row_limit);
