-- What is told by mail when a connection breaks. One row for each kind of trouble, from when it is first seen until a
-- session has gone well again: for so long it is told once.
CREATE TABLE troubles (
    connection_id TEXT NOT NULL,
    -- needs_sign_in, brake or failing
    trouble TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    since BIGINT NOT NULL,
    -- NULL: not told yet.
    sent_at BIGINT,
    tries BIGINT NOT NULL,
    -- Not tried before; NULL: never again.
    next_at BIGINT,
    PRIMARY KEY (connection_id, trouble),
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

-- The language of the user's last visit (`de`); NULL: not known.
ALTER TABLE users ADD COLUMN language TEXT;
