-- What users ordered about single items of their mailboxes: kept until a session has carried it out.

CREATE TABLE orders (
    connection_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- The mailbox item's id.
    item TEXT NOT NULL,
    sealed BLOB NOT NULL,
    at BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    PRIMARY KEY (connection_id, pair, item),
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);
