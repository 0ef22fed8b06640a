-- name: PutEvidencePage :execrows
-- PutEvidencePage adds a page. Its name is new, so that repeating it adds nothing.
INSERT INTO evidence_pages (merchant_id, page, sealed)
VALUES (sqlc.arg(merchant_id), sqlc.arg(page), sqlc.arg(sealed))
ON CONFLICT (merchant_id, page) DO NOTHING;

-- name: PutEvidenceMarks :execrows
-- PutEvidenceMarks says of which orders a page speaks.
INSERT INTO evidence_marks (merchant_id, page, marks)
VALUES (sqlc.arg(merchant_id), sqlc.arg(page), sqlc.arg(marks))
ON CONFLICT (merchant_id, page) DO NOTHING;

-- name: ListEvidenceMarks :many
-- ListEvidenceMarks reads what the pages of a span speak of, oldest first.
SELECT page, marks FROM evidence_marks
WHERE merchant_id = sqlc.arg(merchant_id) AND page > sqlc.arg(after) AND page < sqlc.arg(before)
ORDER BY page
LIMIT sqlc.arg(row_limit);

-- name: GetEvidencePage :one
-- GetEvidencePage reads one page.
SELECT sealed FROM evidence_pages
WHERE merchant_id = sqlc.arg(merchant_id) AND page = sqlc.arg(page);

-- name: OldestEvidence :many
-- OldestEvidence reads the name of the oldest page, of all merchants.
SELECT page FROM evidence_marks ORDER BY page LIMIT 1;

-- name: CountOldEvidence :one
-- CountOldEvidence counts pages of before a time, at most as many as asked.
SELECT CAST(COUNT(*) AS BIGINT) FROM (
    SELECT m.page FROM evidence_marks AS m WHERE m.page < sqlc.arg(before) ORDER BY m.page LIMIT sqlc.arg(row_limit)
) AS old;

-- name: PurgeEvidencePages :execrows
-- PurgeEvidencePages deletes the oldest pages of before a time, if marks still
-- name them: it comes before PurgeEvidenceMarks in the same unit.
DELETE FROM evidence_pages WHERE (merchant_id, page) IN (
    SELECT m.merchant_id, m.page FROM evidence_marks AS m
    WHERE m.page < sqlc.arg(before) ORDER BY m.page, m.merchant_id LIMIT sqlc.arg(row_limit)
);

-- name: PurgeEvidenceMarks :execrows
-- PurgeEvidenceMarks deletes the marks of the same pages.
DELETE FROM evidence_marks WHERE (merchant_id, page) IN (
    SELECT m.merchant_id, m.page FROM evidence_marks AS m
    WHERE m.page < sqlc.arg(before) ORDER BY m.page, m.merchant_id LIMIT sqlc.arg(row_limit)
);

-- name: MerchantOfPrefix :many
-- MerchantOfPrefix finds who has one of these prefixes. They are the beginnings
-- of one number, and prefixes are free of each other, so that there is at most one.
SELECT merchant_id FROM prefixes
WHERE prefix IN (sqlc.arg(prefix0), sqlc.arg(prefix1), sqlc.arg(prefix2))
LIMIT 2;
