-- Whatever was given up for a merchant is looked for whenever something of the
-- same kind goes through. Nearly always there is nothing.

-- +goose Up

CREATE INDEX jobs_buried ON jobs (merchant_id, kind, created_ms) WHERE state = 'buried';
