-- Events, tasks and emails: claims per organisation, settings as overrides, the organisation's brake, back-fills.

ALTER TABLE links ADD COLUMN traits TEXT NOT NULL DEFAULT '{}';
-- An intent, a wait, or files that are owed: what every session asks for.
ALTER TABLE links ADD COLUMN pending BIGINT NOT NULL DEFAULT 0;
UPDATE links SET pending = 1 WHERE intent_side IS NOT NULL;
DROP INDEX links_pending;
CREATE INDEX links_pending ON links (connection_id) WHERE pending = 1;

-- Deletes and emptied fields, and when the last of them was done.
ALTER TABLE sessions ADD COLUMN deletes BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN deletes_at BIGINT;
CREATE INDEX sessions_deletes ON sessions (org_id, deletes_at) WHERE deletes_at IS NOT NULL;

-- JSON: what differs from the built-in defaults.
ALTER TABLE orgs ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
-- Wrapped data key; made when it is first needed.
ALTER TABLE orgs ADD COLUMN claims_key BLOB;
-- While it stands, no session of the organisation begins.
ALTER TABLE orgs ADD COLUMN stopped_at BIGINT;
-- Deletes before it count no more for the brake.
ALTER TABLE orgs ADD COLUMN released_at BIGINT;

ALTER TABLE connections ADD COLUMN backfill TEXT;
ALTER TABLE connections ADD COLUMN last_moved BIGINT;
ALTER TABLE connections ADD COLUMN activated_at BIGINT;
-- What the organisation's brake took the place of.
ALTER TABLE connections ADD COLUMN held_reason TEXT;
ALTER TABLE connections ADD COLUMN held_due BIGINT;
UPDATE connections SET activated_at = created_at WHERE pair <> '';
-- Settings are overrides from now on. Whole ones still read as such; those that said nothing of their own say nothing.
UPDATE connections SET settings = '{}' WHERE settings = '{"contacts":"two_way","contact_scope":"mine","contact_limit":10000,"contact_conflicts":"newest","contact_deleted_in_mailbox":"ask","brake":{"count":25,"percent":20,"hard":200},"interval_minutes":30}';

CREATE TABLE claims (
    org_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    -- Keyed, hexadecimal.
    hash TEXT NOT NULL,
    holder TEXT NOT NULL,
    user_id TEXT NOT NULL,
    link_key TEXT NOT NULL,
    -- NULL until it is made.
    crm_id TEXT,
    since BIGINT NOT NULL,
    PRIMARY KEY (org_id, kind, hash),
    FOREIGN KEY (holder, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

CREATE INDEX claims_unmade ON claims (holder) WHERE crm_id IS NULL;
