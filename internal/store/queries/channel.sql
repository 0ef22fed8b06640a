-- name: PutChannelHealth :execrows
-- PutChannelHealth writes how an account is. Times only move forward, so that a
-- node that has heard nothing for long does not hide what another has heard.
-- Repeating it leaves the same row.
INSERT INTO channel_health (
    provider_id, channel, account, credentials, verified_ms, failed_ms, failed_call, failure, written_ms
)
VALUES (
    sqlc.arg(provider_id), sqlc.arg(channel), sqlc.arg(account), sqlc.arg(credentials), sqlc.arg(verified_ms),
    sqlc.arg(failed_ms), sqlc.arg(failed_call), sqlc.arg(failure), sqlc.arg(written_ms)
)
ON CONFLICT (provider_id, channel) DO UPDATE SET
    account = excluded.account, credentials = excluded.credentials,
    verified_ms = CASE WHEN excluded.verified_ms > channel_health.verified_ms
        THEN excluded.verified_ms ELSE channel_health.verified_ms END,
    failed_call = CASE WHEN excluded.failed_ms > channel_health.failed_ms
        THEN excluded.failed_call ELSE channel_health.failed_call END,
    failure = CASE WHEN excluded.failed_ms > channel_health.failed_ms
        THEN excluded.failure ELSE channel_health.failure END,
    failed_ms = CASE WHEN excluded.failed_ms > channel_health.failed_ms
        THEN excluded.failed_ms ELSE channel_health.failed_ms END,
    written_ms = excluded.written_ms;

-- name: ListChannelHealth :many
-- ListChannelHealth reads the rows of one provider, or of all.
SELECT provider_id, channel, account, credentials, verified_ms, failed_ms, failed_call, failure, written_ms
FROM channel_health
WHERE CAST(sqlc.arg(provider_id) AS TEXT) = '' OR provider_id = CAST(sqlc.arg(provider_id) AS TEXT)
ORDER BY provider_id, channel
LIMIT sqlc.arg(row_limit);

-- name: AddWalletKey :execrows
-- AddWalletKey keeps a key of a wallet. One that is kept stays as it is.
INSERT INTO wallet_keys (provider_id, channel, role, serial, pem, seen_ms)
VALUES (
    sqlc.arg(provider_id), sqlc.arg(channel), sqlc.arg(role), sqlc.arg(serial), sqlc.arg(pem), sqlc.arg(seen_ms)
)
ON CONFLICT (provider_id, channel, role, serial) DO NOTHING;

-- name: ListWalletKeys :many
-- ListWalletKeys reads the kept keys of one account, the newest first.
SELECT role, serial, pem, seen_ms
FROM wallet_keys
WHERE provider_id = sqlc.arg(provider_id) AND channel = sqlc.arg(channel)
ORDER BY seen_ms DESC, role, serial
LIMIT sqlc.arg(row_limit);
