-- The integration user of an organisation: asks for all of its connections what has changed.
CREATE TABLE integrations (
    org_id TEXT NOT NULL PRIMARY KEY REFERENCES orgs (id),
    -- In Salesforce; nobody who syncs, or somebody who does: both may be.
    user_id TEXT NOT NULL,
    username TEXT NOT NULL,
    -- The administrator.
    connected_by TEXT NOT NULL,
    connected_at BIGINT NOT NULL,
    -- Made for this grant alone, and gone with it.
    credentials_key BLOB NOT NULL,
    sealed BLOB NOT NULL,
    version BIGINT NOT NULL,
    -- What it told last, and when it was asked: JSON; ids, owners and stamps.
    answer TEXT,
    asked_at BIGINT,
    -- Why it does not, and since when.
    trouble TEXT,
    trouble_at BIGINT,
    updated_at BIGINT NOT NULL
);

-- The number of the question that was begun last, never the same again; and until when nobody else begins one.
ALTER TABLE orgs ADD COLUMN tick BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orgs ADD COLUMN tick_until BIGINT;
