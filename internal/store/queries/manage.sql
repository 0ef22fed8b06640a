-- name: InsertToken :execrows
-- InsertToken adds a token. A taken id or hash changes nothing.
INSERT INTO tokens (id, hash, name, grants, unit, created_by, created_ms, expires_ms, used_ms, revoked_ms)
VALUES (sqlc.arg(id), sqlc.arg(hash), sqlc.arg(name), sqlc.arg(grants), sqlc.arg(unit), sqlc.arg(created_by),
    sqlc.arg(created_ms), sqlc.arg(expires_ms), 0, 0)
ON CONFLICT DO NOTHING;

-- name: RevokeToken :execrows
-- RevokeToken ends a token. Repeating it keeps the first time.
UPDATE tokens SET revoked_ms = sqlc.arg(revoked_ms) WHERE id = sqlc.arg(id) AND revoked_ms = 0;

-- name: TouchToken :execrows
-- TouchToken notes a use. It never goes back in time.
UPDATE tokens SET used_ms = sqlc.arg(used_ms) WHERE id = sqlc.arg(id) AND used_ms < sqlc.arg(used_ms);

-- name: GetToken :one
SELECT id, hash, name, grants, unit, created_by, created_ms, expires_ms, used_ms, revoked_ms
FROM tokens WHERE id = sqlc.arg(id);

-- name: GetTokenByHash :one
SELECT id, hash, name, grants, unit, created_by, created_ms, expires_ms, used_ms, revoked_ms
FROM tokens WHERE hash = sqlc.arg(hash);

-- name: ListTokens :many
SELECT id, hash, name, grants, unit, created_by, created_ms, expires_ms, used_ms, revoked_ms
FROM tokens WHERE id > sqlc.arg(after) ORDER BY id LIMIT sqlc.arg(row_limit);

-- name: TakeAnswer :execrows
-- TakeAnswer claims an idempotency key, or one that is older than since.
INSERT INTO answers (actor, idem_key, request, unit, status, answer, created_ms)
VALUES (sqlc.arg(actor), sqlc.arg(idem_key), sqlc.arg(request), sqlc.arg(unit), 0, sqlc.arg(answer), sqlc.arg(created_ms))
ON CONFLICT (actor, idem_key) DO UPDATE SET
    request = excluded.request, unit = excluded.unit, status = 0, answer = excluded.answer, created_ms = excluded.created_ms
WHERE answers.created_ms < sqlc.arg(since_ms);

-- name: FinishAnswer :execrows
-- FinishAnswer keeps the answer of the request that took the key.
UPDATE answers SET status = sqlc.arg(status), answer = sqlc.arg(answer)
WHERE actor = sqlc.arg(actor) AND idem_key = sqlc.arg(idem_key) AND unit = sqlc.arg(unit);

-- name: DropAnswer :execrows
-- DropAnswer gives a key back whose request changed nothing.
DELETE FROM answers WHERE actor = sqlc.arg(actor) AND idem_key = sqlc.arg(idem_key) AND unit = sqlc.arg(unit);

-- name: GetAnswer :one
SELECT actor, idem_key, request, unit, status, answer, created_ms
FROM answers WHERE actor = sqlc.arg(actor) AND idem_key = sqlc.arg(idem_key);

-- name: SweepAnswers :execrows
-- SweepAnswers forgets what is too old to be repeated.
DELETE FROM answers WHERE created_ms < sqlc.arg(before_ms);
