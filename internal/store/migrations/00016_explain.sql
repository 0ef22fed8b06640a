-- What was said on the wires about an order, for whoever has to explain it
-- later: requests of tills, calls to the wallets, their notices, byte for byte.

-- +goose Up

-- One row is one page of records of one merchant: written together, compressed
-- together, and sealed under a key of that day. page begins with the time at
-- which it was written, so that the key is in the order of time.
CREATE TABLE evidence_pages (
    merchant_id  TEXT   NOT NULL,
    page         TEXT   NOT NULL,
    sealed       BYTEA  NOT NULL,
    PRIMARY KEY (merchant_id, page)
);

-- One row says which orders a page speaks of: marks holds a short hash of each
-- number. It stands apart so that looking for an order reads no pages.
CREATE TABLE evidence_marks (
    merchant_id  TEXT   NOT NULL,
    page         TEXT   NOT NULL,
    marks        BYTEA  NOT NULL,
    PRIMARY KEY (merchant_id, page)
) /*sqlite: WITHOUT ROWID :sqlite*/;

-- Purging looks here.
CREATE INDEX evidence_by_page ON evidence_marks (page);
