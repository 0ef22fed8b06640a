-- name: PutJobOfUnit :execrows
-- PutJobOfUnit adds a job, or moves the one that exists, if this unit wrote the
-- order. Repeating it leaves the same row. Who holds the job beyond its new time
-- keeps it, so that nobody begins it a second time meanwhile: attempt 0 tells his
-- verdict that it was moved (FreeJob).
INSERT INTO jobs (merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane)
SELECT o.merchant_id, CAST(sqlc.arg(kind) AS TEXT), CAST(sqlc.arg(ref) AS TEXT), 'ready', CAST(sqlc.arg(queue) AS TEXT),
    CAST(sqlc.arg(seq) AS BIGINT), CAST(sqlc.arg(run_ms) AS BIGINT), CAST(sqlc.arg(run_ms) AS BIGINT), 0, '',
    CAST(sqlc.arg(payload) AS TEXT), CAST(sqlc.arg(created_ms) AS BIGINT), '', CAST(sqlc.arg(lane) AS TEXT)
FROM orders AS o
WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit)
ON CONFLICT (merchant_id, kind, ref) DO UPDATE SET
    state = 'ready', queue = excluded.queue, seq = excluded.seq, run_ms = excluded.run_ms,
    lease = CASE WHEN jobs.due_ms > excluded.due_ms THEN jobs.lease ELSE '' END,
    due_ms = CASE WHEN jobs.lease <> '' AND jobs.due_ms > excluded.due_ms THEN jobs.due_ms ELSE excluded.due_ms END,
    attempt = 0, payload = excluded.payload, last_error = '', lane = excluded.lane;

-- name: DeleteJobOfUnit :execrows
-- DeleteJobOfUnit ends a job, whoever holds it, if this unit wrote the order.
DELETE FROM jobs
WHERE jobs.merchant_id = sqlc.arg(merchant_id) AND jobs.kind = sqlc.arg(kind) AND jobs.ref = sqlc.arg(ref)
  AND EXISTS (
      SELECT 1 FROM orders AS o
      WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit)
  );

-- name: TouchJobOfUnit :execrows
-- TouchJobOfUnit moves a job in time that nobody holds, if this unit wrote the
-- order.
UPDATE jobs SET run_ms = sqlc.arg(run_ms), due_ms = sqlc.arg(run_ms), lease = ''
WHERE jobs.merchant_id = sqlc.arg(merchant_id) AND jobs.kind = sqlc.arg(kind) AND jobs.ref = sqlc.arg(ref)
  AND (jobs.lease = '' OR jobs.due_ms <= sqlc.arg(run_ms))
  AND EXISTS (
      SELECT 1 FROM orders AS o
      WHERE o.merchant_id = sqlc.arg(merchant_id) AND o.out_trade_no = sqlc.arg(out_trade_no) AND o.unit = sqlc.arg(unit)
  );

-- name: PutJob :execrows
-- PutJob is PutJobOfUnit for work that follows from no order.
INSERT INTO jobs (merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane)
VALUES (sqlc.arg(merchant_id), sqlc.arg(kind), sqlc.arg(ref), 'ready', sqlc.arg(queue), sqlc.arg(seq),
    sqlc.arg(run_ms), sqlc.arg(run_ms), 0, '', sqlc.arg(payload), sqlc.arg(created_ms), '', sqlc.arg(lane))
ON CONFLICT (merchant_id, kind, ref) DO UPDATE SET
    state = 'ready', queue = excluded.queue, seq = excluded.seq, run_ms = excluded.run_ms,
    lease = CASE WHEN jobs.due_ms > excluded.due_ms THEN jobs.lease ELSE '' END,
    due_ms = CASE WHEN jobs.lease <> '' AND jobs.due_ms > excluded.due_ms THEN jobs.due_ms ELSE excluded.due_ms END,
    attempt = 0, payload = excluded.payload, last_error = '', lane = excluded.lane;

-- name: DeleteJob :execrows
-- DeleteJob ends a job, whoever holds it.
DELETE FROM jobs WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref);

-- name: TouchJob :execrows
-- TouchJob moves a job in time that nobody holds.
UPDATE jobs SET run_ms = sqlc.arg(run_ms), due_ms = sqlc.arg(run_ms), lease = ''
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref)
  AND (lease = '' OR due_ms <= sqlc.arg(run_ms));

-- name: ListDue :many
-- ListDue reads when the oldest claimable jobs of one kind without a lane were
-- to be run.
SELECT c.run_ms
FROM jobs AS c
WHERE c.state = 'ready' AND c.kind = sqlc.arg(kind) AND c.lane = '' AND c.due_ms <= sqlc.arg(now_ms)
  AND (c.queue = '' OR NOT EXISTS (
      SELECT 1 FROM jobs AS f
      WHERE f.merchant_id = c.merchant_id AND f.queue = c.queue AND f.queue <> '' AND f.state = 'ready'
        AND (f.seq, f.kind, f.ref) < (c.seq, c.kind, c.ref)
  ))
ORDER BY c.due_ms
LIMIT sqlc.arg(row_limit);

-- name: ClaimJobs :execrows
-- ClaimJobs leases the oldest due heads of lines of one kind without a lane, of
-- every merchant: with ClaimLane the one change without a merchant. Rows that
-- another claim is about to take are passed over.
UPDATE jobs SET lease = sqlc.arg(lease), due_ms = sqlc.arg(until_ms), attempt = attempt + 1
WHERE (merchant_id, kind, ref) IN (
    SELECT c.merchant_id, c.kind, c.ref
    FROM jobs AS c
    WHERE c.state = 'ready' AND c.kind = sqlc.arg(kind) AND c.lane = '' AND c.due_ms <= sqlc.arg(now_ms)
      AND (c.queue = '' OR NOT EXISTS (
          SELECT 1 FROM jobs AS f
          WHERE f.merchant_id = c.merchant_id AND f.queue = c.queue AND f.queue <> '' AND f.state = 'ready'
            AND (f.seq, f.kind, f.ref) < (c.seq, c.kind, c.ref)
      ))
    ORDER BY c.due_ms
    LIMIT sqlc.arg(row_limit)
    /*postgres: FOR UPDATE SKIP LOCKED :postgres*/
);

-- name: ClaimJob :execrows
-- ClaimJob leases one job if it is due and the head of its line.
UPDATE jobs SET lease = sqlc.arg(lease), due_ms = sqlc.arg(until_ms), attempt = attempt + 1
WHERE jobs.merchant_id = sqlc.arg(merchant_id) AND jobs.kind = sqlc.arg(kind) AND jobs.ref = sqlc.arg(ref)
  AND jobs.state = 'ready' AND jobs.due_ms <= sqlc.arg(now_ms)
  AND (jobs.queue = '' OR NOT EXISTS (
      SELECT 1 FROM jobs AS f
      WHERE f.merchant_id = jobs.merchant_id AND f.queue = jobs.queue AND f.queue <> '' AND f.state = 'ready'
        AND (f.seq, f.kind, f.ref) < (jobs.seq, jobs.kind, jobs.ref)
  ));

-- name: ListClaimed :many
-- ListClaimed reads what one claim leased of one kind without a lane. It finds the rows by the
-- end of their lease, which is indexed.
SELECT
    merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane
FROM jobs
WHERE state = 'ready' AND kind = sqlc.arg(kind) AND lane = '' AND due_ms = sqlc.arg(until_ms) AND lease = sqlc.arg(lease)
ORDER BY run_ms, merchant_id, kind, ref;

-- name: NextDue :one
-- NextDue reads when the first head of a line of one kind without a lane may be
-- claimed.
SELECT c.due_ms
FROM jobs AS c
WHERE c.state = 'ready' AND c.kind = sqlc.arg(kind) AND c.lane = ''
  AND (c.queue = '' OR NOT EXISTS (
      SELECT 1 FROM jobs AS f
      WHERE f.merchant_id = c.merchant_id AND f.queue = c.queue AND f.queue <> '' AND f.state = 'ready'
        AND (f.seq, f.kind, f.ref) < (c.seq, c.kind, c.ref)
  ))
ORDER BY c.due_ms
LIMIT 1;

-- name: FinishJob :execrows
-- FinishJob ends a job that the lease still holds.
DELETE FROM jobs
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref)
  AND state = 'ready' AND lease = sqlc.arg(lease) AND attempt > 0;

-- name: FreeJob :execrows
-- FreeJob frees a job that was moved while this lease held it: it stands where it
-- was moved to, whatever its holder says.
UPDATE jobs SET lease = '', due_ms = run_ms
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref)
  AND state = 'ready' AND lease = sqlc.arg(lease) AND attempt = 0;

-- name: RetryJob :execrows
-- RetryJob gives a job that the lease still holds back, for a later time.
UPDATE jobs SET lease = '', run_ms = sqlc.arg(run_ms), due_ms = sqlc.arg(run_ms), attempt = sqlc.arg(attempt),
    last_error = sqlc.arg(last_error)
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref)
  AND state = 'ready' AND lease = sqlc.arg(lease) AND attempt > 0;

-- name: BuryJob :execrows
-- BuryJob takes a job that the lease still holds out of service.
UPDATE jobs SET state = 'buried', lease = '', last_error = sqlc.arg(last_error)
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref)
  AND state = 'ready' AND lease = sqlc.arg(lease) AND attempt > 0;

-- name: ReleaseJob :execrows
-- ReleaseJob puts a buried job back into service, from its first attempt.
UPDATE jobs SET state = 'ready', lease = '', attempt = 0, run_ms = sqlc.arg(run_ms), due_ms = sqlc.arg(run_ms)
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref) AND state = 'buried';

-- name: GetJob :one
-- GetJob reads one job.
SELECT
    merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane
FROM jobs WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref);

-- name: ListJobs :many
-- ListJobs reads jobs for a person; an empty filter matches everything.
SELECT
    merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane
FROM jobs
WHERE (CAST(sqlc.arg(merchant_id) AS TEXT) = '' OR merchant_id = CAST(sqlc.arg(merchant_id) AS TEXT))
  AND (CAST(sqlc.arg(kind) AS TEXT) = '' OR kind = CAST(sqlc.arg(kind) AS TEXT))
  AND (CAST(sqlc.arg(state) AS TEXT) = '' OR state = CAST(sqlc.arg(state) AS TEXT))
ORDER BY run_ms, merchant_id, kind, ref
LIMIT sqlc.arg(row_limit);

-- name: ListBuried :many
-- ListBuried reads the jobs of one lane that are out of service, oldest first,
-- from after a given one.
SELECT
    merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane
FROM jobs
WHERE kind = sqlc.arg(kind) AND lane = sqlc.arg(lane) AND state = 'buried'
  AND created_ms >= CAST(sqlc.arg(after_ms) AS BIGINT)
  AND (created_ms > CAST(sqlc.arg(after_ms) AS BIGINT)
      OR (merchant_id, ref) > (CAST(sqlc.arg(after_merchant) AS TEXT), CAST(sqlc.arg(after_ref) AS TEXT)))
ORDER BY created_ms, merchant_id, ref
LIMIT sqlc.arg(row_limit);

-- name: ListBuriedOfMerchant :many
-- ListBuriedOfMerchant reads a merchant's jobs of one kind that are out of service,
-- of any lane, oldest first, from after a given one.
SELECT
    merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane
FROM jobs
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND state = 'buried'
  AND created_ms >= CAST(sqlc.arg(after_ms) AS BIGINT)
  AND (created_ms > CAST(sqlc.arg(after_ms) AS BIGINT) OR ref > CAST(sqlc.arg(after_ref) AS TEXT))
ORDER BY created_ms, ref
LIMIT sqlc.arg(row_limit);

-- name: ListLanes :many
-- ListLanes reads the lanes of one kind, in order, and when the first job of
-- each may be claimed if it is the head of its line. It steps from lane to lane
-- in the index, so that a lane of ten thousand jobs costs as much as one of one.
WITH RECURSIVE walk (lane) AS (
    SELECT MIN(j.lane) FROM jobs AS j
    WHERE j.state = 'ready' AND j.lane <> '' AND j.kind = sqlc.arg(kind) AND j.lane > CAST(sqlc.arg(after) AS TEXT)
    UNION ALL
    SELECT (
        SELECT MIN(n.lane) FROM jobs AS n
        WHERE n.state = 'ready' AND n.lane <> '' AND n.kind = sqlc.arg(kind) AND n.lane > walk.lane
    )
    FROM walk WHERE walk.lane IS NOT NULL
)
SELECT CAST(walk.lane AS TEXT) AS lane, CAST((
    SELECT MIN(d.due_ms) FROM jobs AS d
    WHERE d.state = 'ready' AND d.lane <> '' AND d.kind = sqlc.arg(kind) AND d.lane = walk.lane
) AS BIGINT) AS due_ms
FROM walk WHERE walk.lane IS NOT NULL
LIMIT sqlc.arg(row_limit);

-- name: ClaimLane :execrows
-- ClaimLane is ClaimJobs for one lane.
UPDATE jobs SET lease = sqlc.arg(lease), due_ms = sqlc.arg(until_ms), attempt = attempt + 1
WHERE (merchant_id, kind, ref) IN (
    SELECT c.merchant_id, c.kind, c.ref
    FROM jobs AS c
    WHERE c.state = 'ready' AND c.kind = sqlc.arg(kind) AND c.lane <> '' AND c.lane = sqlc.arg(lane)
      AND c.due_ms <= sqlc.arg(now_ms)
      AND (c.queue = '' OR NOT EXISTS (
          SELECT 1 FROM jobs AS f
          WHERE f.merchant_id = c.merchant_id AND f.queue = c.queue AND f.queue <> '' AND f.state = 'ready'
            AND (f.seq, f.kind, f.ref) < (c.seq, c.kind, c.ref)
      ))
    ORDER BY c.due_ms
    LIMIT sqlc.arg(row_limit)
    /*postgres: FOR UPDATE SKIP LOCKED :postgres*/
);

-- name: ListClaimedOfLane :many
-- ListClaimedOfLane is ListClaimed for one lane.
SELECT
    merchant_id, kind, ref, state, queue, seq, run_ms, due_ms, attempt, lease, payload, created_ms, last_error, lane
FROM jobs
WHERE state = 'ready' AND kind = sqlc.arg(kind) AND lane <> '' AND lane = sqlc.arg(lane)
  AND due_ms = sqlc.arg(until_ms) AND lease = sqlc.arg(lease)
ORDER BY run_ms, merchant_id, kind, ref;

-- name: ShiftJob :execrows
-- ShiftJob moves a job that the lease still holds to another lane, with the
-- attempt of the claim given back.
UPDATE jobs SET lane = sqlc.arg(lane), lease = '', due_ms = run_ms, attempt = attempt - 1
WHERE merchant_id = sqlc.arg(merchant_id) AND kind = sqlc.arg(kind) AND ref = sqlc.arg(ref)
  AND state = 'ready' AND lease = sqlc.arg(lease) AND attempt > 0;
