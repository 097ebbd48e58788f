-- What a claim must know to be fair among organisations, and to keep within what their servers bear.

-- The Exchange server of the mailbox, lower case; empty for Office 365, and for what an older server has connected until
-- its next session.
ALTER TABLE connections ADD COLUMN mail_host TEXT NOT NULL DEFAULT '';
CREATE INDEX connections_turn ON connections (org_id, mail_host, due_at, id) WHERE state = 'active';
-- `lease_session` stands in them for the planner: without statistics it takes an index of the organisation alone, and
-- reads all of its connections.
CREATE INDEX connections_leased ON connections (org_id, lease_session) WHERE lease_session IS NOT NULL;
CREATE INDEX connections_leased_at ON connections (mail_host, lease_session) WHERE lease_session IS NOT NULL;

-- When a connection of the organisation was last taken because it was due.
ALTER TABLE orgs ADD COLUMN served_at BIGINT;
-- Nothing of it comes due before: its API calls are used up, or what the administrator leaves to others is reached.
ALTER TABLE orgs ADD COLUMN held_until BIGINT;
-- The organisation's API calls within 24 hours and how many it may make, as Salesforce said then.
ALTER TABLE orgs ADD COLUMN api_used BIGINT;
ALTER TABLE orgs ADD COLUMN api_limit BIGINT;
ALTER TABLE orgs ADD COLUMN api_at BIGINT;
