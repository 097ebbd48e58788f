-- The audit log becomes a chain: each entry is authenticated together with the one before it.

-- NULL: older than the chain, or written by a server of an earlier version.
ALTER TABLE audit ADD COLUMN seq BIGINT;
ALTER TABLE audit ADD COLUMN mac BLOB;
CREATE UNIQUE INDEX audit_seq ON audit (seq) WHERE seq IS NOT NULL;

CREATE TABLE audit_chain (
    id TEXT NOT NULL PRIMARY KEY,
    -- The last entry, 0 before the first.
    seq BIGINT NOT NULL,
    mac BLOB NOT NULL,
    -- The last entry that was swept, 0 for none; `swept_seal` proves that it was swept by us.
    swept_seq BIGINT NOT NULL,
    swept_mac BLOB NOT NULL,
    swept_seal BLOB NOT NULL,
    -- When the head was last written to the log.
    told_at BIGINT
);
