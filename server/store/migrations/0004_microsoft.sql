-- Office 365: grants of two providers, sign-ins that wait for their pane, and whose ids a mailbox's links hold.

CREATE TABLE grants_of (
    connection_id TEXT NOT NULL,
    -- salesforce or microsoft
    provider TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    version BIGINT NOT NULL,
    refreshing_by TEXT,
    refreshing_until BIGINT,
    -- What the provider demands of the next sign-in (JSON); NULL: nothing.
    claims TEXT,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, provider),
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);
INSERT INTO grants_of (connection_id, provider, org_id, user_id, sealed, version, refreshing_by, refreshing_until, updated_at)
    SELECT connection_id, 'salesforce', org_id, user_id, sealed, version, refreshing_by, refreshing_until, updated_at FROM grants;
DROP TABLE grants;
ALTER TABLE grants_of RENAME TO grants;
CREATE INDEX grants_idle ON grants (updated_at);

-- The nonce that the identity token must repeat.
ALTER TABLE flows ADD COLUMN id_nonce TEXT;
-- Whose page began it; NULL: nobody was signed in.
ALTER TABLE flows ADD COLUMN user_id TEXT;

-- A finished sign-in with Microsoft, until its pane fetches it.
CREATE TABLE sign_ins (
    nonce_hash BLOB NOT NULL PRIMARY KEY,
    code_hash BLOB NOT NULL,
    code_until BIGINT NOT NULL,
    -- The code to type.
    digits_hash BLOB NOT NULL,
    digits_until BIGINT NOT NULL,
    sealed BLOB NOT NULL
);

-- Which kind of server gave the ids in the links of a pair. No row: exchange.
CREATE TABLE mailboxes (
    connection_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    server TEXT NOT NULL,
    PRIMARY KEY (connection_id, pair),
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);
