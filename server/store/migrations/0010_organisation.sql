-- Who administers the organisation, as Salesforce last said.
ALTER TABLE users ADD COLUMN administers BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN asked_at BIGINT;

-- Since when administrators may see subjects and addresses, and who allowed it. NULL: they may not.
ALTER TABLE orgs ADD COLUMN support_at BIGINT;
ALTER TABLE orgs ADD COLUMN support_by TEXT;

CREATE INDEX users_of_org ON users (org_id, username, id);

-- Orders of administrators for many connections.
CREATE TABLE org_runs (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    -- The administrator.
    user_id TEXT NOT NULL,
    act TEXT NOT NULL,
    -- Whom: JSON, ids or a filter.
    target TEXT NOT NULL,
    -- The last user that was reached.
    after_user TEXT,
    state TEXT NOT NULL,
    -- The wave that carries it out; another one has taken over where this differs.
    turn BIGINT NOT NULL,
    total BIGINT NOT NULL,
    done BIGINT NOT NULL,
    passed BIGINT NOT NULL,
    failed BIGINT NOT NULL,
    faults TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX org_runs_of ON org_runs (org_id, started_at);
