-- name: InsertOrder :execrows
-- InsertOrder takes a number and, if there is one, a payment code. It writes
-- nothing when either is taken. Repeating it writes nothing.
INSERT INTO orders (
    merchant_id, out_trade_no, state, unit, code_held, total, provider_id, channel, trade_type, currency,
    fingerprint, code_hash, shop_id, device_id, staff_id, body, notify_url, extra, transaction_id,
    sent_ms, created_ms, updated_ms, ask_ms, seen, truth, terminal_type, sub_terminal_type, qrcode_id, source_type,
    authen, expire_ms, settle, hold_late
) VALUES (
    sqlc.arg(merchant_id), sqlc.arg(out_trade_no), sqlc.arg(state), sqlc.arg(unit), sqlc.arg(code_held),
    sqlc.arg(total), sqlc.arg(provider_id), sqlc.arg(channel), sqlc.arg(trade_type), sqlc.arg(currency),
    sqlc.arg(fingerprint), sqlc.arg(code_hash), sqlc.arg(shop_id), sqlc.arg(device_id), sqlc.arg(staff_id),
    sqlc.arg(body), sqlc.arg(notify_url), sqlc.arg(extra), sqlc.arg(transaction_id), sqlc.arg(sent_ms),
    sqlc.arg(created_ms), sqlc.arg(updated_ms), sqlc.arg(ask_ms), sqlc.arg(seen), sqlc.arg(truth),
    sqlc.arg(terminal_type), sqlc.arg(sub_terminal_type), sqlc.arg(qrcode_id), sqlc.arg(source_type),
    sqlc.arg(authen), sqlc.arg(expire_ms), sqlc.arg(settle), sqlc.arg(hold_late)
)
ON CONFLICT DO NOTHING;

-- name: SettleOrder :execrows
-- SettleOrder moves an order from exactly the row the decision was made on: its
-- state and the unit that wrote it. Repeating it changes nothing, because the
-- row then carries this unit. A code once let go is never held again.
UPDATE orders SET
    state = sqlc.arg(state),
    unit = sqlc.arg(unit),
    code_held = code_held AND CAST(sqlc.arg(open) AS BOOLEAN),
    reserved = sqlc.arg(reserved),
    refunded = sqlc.arg(refunded),
    transaction_id = sqlc.arg(transaction_id),
    updated_ms = sqlc.arg(updated_ms),
    ask_ms = sqlc.arg(ask_ms),
    seen = sqlc.arg(seen),
    truth = sqlc.arg(truth),
    settlement = sqlc.arg(settlement),
    cash = sqlc.arg(cash),
    payer_id = sqlc.arg(payer_id),
    bank_type = sqlc.arg(bank_type),
    paid_ms = sqlc.arg(paid_ms),
    code = sqlc.arg(code),
    reason = sqlc.arg(reason),
    text = sqlc.arg(text),
    late = sqlc.arg(late),
    finished = sqlc.arg(finished),
    refund_sent_ms = sqlc.arg(refund_sent_ms),
    asked_ms = sqlc.arg(asked_ms),
    asks = sqlc.arg(asks),
    unpaid_ms = sqlc.arg(unpaid_ms),
    missing_ms = sqlc.arg(missing_ms),
    reverse_sent_ms = sqlc.arg(reverse_sent_ms),
    reversed_ms = sqlc.arg(reversed_ms),
    reverse_tries = sqlc.arg(reverse_tries),
    reverse_pause_ms = sqlc.arg(reverse_pause_ms),
    no_reverse = sqlc.arg(no_reverse),
    stopped = sqlc.arg(stopped),
    duplicate = sqlc.arg(duplicate),
    reverse_ask = sqlc.arg(reverse_ask),
    watch = sqlc.arg(watch),
    reverse_done = sqlc.arg(reverse_done),
    refund_instead = sqlc.arg(refund_instead),
    paid_seen = sqlc.arg(paid_seen),
    reverse_gone = sqlc.arg(reverse_gone),
    prepaid = sqlc.arg(prepaid),
    promo = sqlc.arg(promo),
    hold_late = sqlc.arg(hold_late)
WHERE merchant_id = sqlc.arg(merchant_id)
  AND out_trade_no = sqlc.arg(out_trade_no)
  AND state = sqlc.arg(from_state)
  AND unit = sqlc.arg(from_unit);

-- name: SettleOrderPaid :execrows
-- SettleOrderPaid is SettleOrder for the ordinary end of a payment, which
-- changes few columns. It is here because it is measurably cheaper.
UPDATE orders SET
    state = sqlc.arg(state),
    unit = sqlc.arg(unit),
    code_held = code_held AND CAST(sqlc.arg(open) AS BOOLEAN),
    transaction_id = sqlc.arg(transaction_id),
    updated_ms = sqlc.arg(updated_ms),
    ask_ms = sqlc.arg(ask_ms),
    seen = sqlc.arg(seen),
    truth = sqlc.arg(truth),
    settlement = sqlc.arg(settlement),
    cash = sqlc.arg(cash),
    payer_id = sqlc.arg(payer_id),
    bank_type = sqlc.arg(bank_type),
    paid_ms = sqlc.arg(paid_ms),
    code = sqlc.arg(code),
    promo = sqlc.arg(promo)
WHERE merchant_id = sqlc.arg(merchant_id)
  AND out_trade_no = sqlc.arg(out_trade_no)
  AND state = sqlc.arg(from_state)
  AND unit = sqlc.arg(from_unit);

-- name: ReserveOrder :execrows
-- ReserveOrder takes a refund's amount out of what may still be refunded, if
-- the order stands as expected, enough is left, and the number is new. Only the
-- return of late money takes from what is held in suspense, and nothing else does.
-- Repeating it does nothing once the refund's row exists.
UPDATE orders SET
    reserved = orders.reserved + CAST(sqlc.arg(amount) AS BIGINT),
    unit = sqlc.arg(unit),
    updated_ms = sqlc.arg(updated_ms)
WHERE orders.merchant_id = sqlc.arg(merchant_id)
  AND orders.out_trade_no = sqlc.arg(out_trade_no)
  AND orders.state = sqlc.arg(from_state)
  AND (orders.late = 'HELD') = CAST(sqlc.arg(held) AS BOOLEAN)
  AND orders.reserved + CAST(sqlc.arg(amount) AS BIGINT) <= orders.total
  AND NOT EXISTS (
      SELECT 1 FROM refunds AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.out_refund_no = sqlc.arg(out_refund_no)
  );

-- name: TakeOrder :execrows
-- TakeOrder keeps an order for this unit that still is the row a decision about
-- one of its refunds was made on.
UPDATE orders SET unit = sqlc.arg(unit)
WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no) AND unit = sqlc.arg(from_unit);

-- name: BookRefundOnOrder :execrows
-- BookRefundOnOrder carries a refund's change over to its order. It needs the
-- refund's row to carry this unit, and it leaves its own mark on the order for
-- the statements that follow.
UPDATE orders SET
    reserved = orders.reserved + CAST(sqlc.arg(reserved) AS BIGINT),
    refunded = orders.refunded + CAST(sqlc.arg(refunded) AS BIGINT),
    refund_sent_ms = CASE WHEN CAST(sqlc.arg(sent_ms) AS BIGINT) = 0 THEN orders.refund_sent_ms ELSE CAST(sqlc.arg(sent_ms) AS BIGINT) END,
    late = CASE WHEN CAST(sqlc.arg(late) AS TEXT) = '' THEN orders.late ELSE CAST(sqlc.arg(late) AS TEXT) END,
    unit = sqlc.arg(unit),
    updated_ms = sqlc.arg(updated_ms)
WHERE orders.merchant_id = sqlc.arg(merchant_id)
  AND orders.out_trade_no = sqlc.arg(out_trade_no)
  AND EXISTS (
      SELECT 1 FROM refunds AS r
      WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.out_refund_no = sqlc.arg(out_refund_no) AND r.unit = sqlc.arg(unit)
  );

-- name: GetOrder :one
-- GetOrder reads one order. It changes nothing.
SELECT
    merchant_id, out_trade_no, state, unit, code_held, total, reserved, refunded, provider_id, channel,
    trade_type, currency, fingerprint, code_hash, shop_id, device_id, staff_id, body, notify_url, extra,
    transaction_id, sent_ms, created_ms, updated_ms, ask_ms, seen, truth, settlement, cash, payer_id,
    bank_type, paid_ms, code, reason, text, late, finished, refund_sent_ms, asked_ms, asks, unpaid_ms,
    missing_ms, reverse_sent_ms, reversed_ms, reverse_tries, reverse_pause_ms, no_reverse, stopped, duplicate,
    reverse_ask, watch, reverse_done, refund_instead, paid_seen, reverse_gone, terminal_type, sub_terminal_type,
    qrcode_id, source_type, authen, expire_ms, prepaid, promo, settle, hold_late
FROM orders WHERE merchant_id = sqlc.arg(merchant_id) AND out_trade_no = sqlc.arg(out_trade_no);

-- name: GetOrderByCode :one
-- GetOrderByCode reads the order that holds a payment code, by orders_held_code.
SELECT
    merchant_id, out_trade_no, state, unit, code_held, total, reserved, refunded, provider_id, channel,
    trade_type, currency, fingerprint, code_hash, shop_id, device_id, staff_id, body, notify_url, extra,
    transaction_id, sent_ms, created_ms, updated_ms, ask_ms, seen, truth, settlement, cash, payer_id,
    bank_type, paid_ms, code, reason, text, late, finished, refund_sent_ms, asked_ms, asks, unpaid_ms,
    missing_ms, reverse_sent_ms, reversed_ms, reverse_tries, reverse_pause_ms, no_reverse, stopped, duplicate,
    reverse_ask, watch, reverse_done, refund_instead, paid_seen, reverse_gone, terminal_type, sub_terminal_type,
    qrcode_id, source_type, authen, expire_ms, prepaid, promo, settle, hold_late
FROM orders WHERE merchant_id = sqlc.arg(merchant_id) AND code_hash = sqlc.arg(code_hash) AND code_held;

-- name: ListOpenOrders :many
-- ListOpenOrders reads a merchant's orders that still need work, oldest first.
-- It walks the merchant's orders: for people and tests.
SELECT
    merchant_id, out_trade_no, state, unit, code_held, total, reserved, refunded, provider_id, channel,
    trade_type, currency, fingerprint, code_hash, shop_id, device_id, staff_id, body, notify_url, extra,
    transaction_id, sent_ms, created_ms, updated_ms, ask_ms, seen, truth, settlement, cash, payer_id,
    bank_type, paid_ms, code, reason, text, late, finished, refund_sent_ms, asked_ms, asks, unpaid_ms,
    missing_ms, reverse_sent_ms, reversed_ms, reverse_tries, reverse_pause_ms, no_reverse, stopped, duplicate,
    reverse_ask, watch, reverse_done, refund_instead, paid_seen, reverse_gone, terminal_type, sub_terminal_type,
    qrcode_id, source_type, authen, expire_ms, prepaid, promo, settle, hold_late
FROM orders
WHERE merchant_id = sqlc.arg(merchant_id) AND state IN ('PAYING', 'REVERSING', 'CLOSING')
ORDER BY created_ms, out_trade_no
LIMIT sqlc.arg(row_limit);

-- name: HasUnitOfOrder :one
-- HasUnitOfOrder tells whether a unit of work that wrote an order was
-- committed: the row still carries it, or a posting or a refund does.
SELECT CAST(
    (SELECT COUNT(*) FROM orders AS o WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit))
  + (SELECT COUNT(*) FROM postings AS p WHERE p.merchant_id = sqlc.arg(merchant_id) AND p.out_trade_no = sqlc.arg(out_trade_no) AND p.unit = sqlc.arg(unit))
  + (SELECT COUNT(*) FROM refunds AS r WHERE r.merchant_id = sqlc.arg(merchant_id) AND r.out_trade_no = sqlc.arg(out_trade_no) AND (r.unit = sqlc.arg(unit) OR r.open_unit = sqlc.arg(unit)))
AS BIGINT) AS found;
