-- Times are microseconds since 1970-01-01T00:00:00Z, booleans 0 or 1, JSON is TEXT, words are those of `as_str`.
-- BLOB reads as BYTEA in PostgreSQL. Organisation and user stand on every row; the composite foreign keys keep them true.

CREATE TABLE server_keys (
    id TEXT NOT NULL PRIMARY KEY,
    wrapped BLOB NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE orgs (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    instance_url TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL REFERENCES orgs (id),
    username TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (id, org_id)
);

CREATE TABLE connections (
    id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    reason TEXT,
    ask_activation BIGINT NOT NULL,
    skipped BIGINT NOT NULL,
    rejections BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    settings TEXT NOT NULL,
    -- The mailbox that is connected; NULL when none is.
    mailbox TEXT,
    -- Its lower-cased address while it is connected: one connection per organisation.
    mailbox_taken TEXT,
    -- The lower-cased address whose links and issues are current; survives a deactivation.
    pair TEXT NOT NULL,
    due_at BIGINT,
    -- Woken while a session ran: due_at stands when the session closes.
    woken BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    lease_session TEXT,
    lease_worker TEXT,
    lease_until BIGINT,
    -- The state when the lease was taken: another one at the end is the user's doing, and stands.
    lease_state TEXT,
    mailbox_cursor TEXT,
    crm_cursor TEXT,
    last_full BIGINT,
    first_round_done BIGINT NOT NULL,
    released BIGINT NOT NULL,
    preview TEXT,
    brake TEXT,
    last_success BIGINT,
    -- Wrapped data keys. The first is deleted on deactivation, and with it all that it sealed.
    credentials_key BLOB,
    journal_key BLOB NOT NULL,
    -- Login and password, sealed.
    credentials BLOB,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (id, org_id, user_id),
    UNIQUE (org_id, mailbox_taken),
    FOREIGN KEY (user_id, org_id) REFERENCES users (id, org_id)
);

CREATE INDEX connections_due ON connections (due_at) WHERE state = 'active';

CREATE TABLE grants (
    connection_id TEXT NOT NULL PRIMARY KEY,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    version BIGINT NOT NULL,
    refreshing_by TEXT,
    refreshing_until BIGINT,
    updated_at BIGINT NOT NULL,
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    connection_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    fence BIGINT NOT NULL,
    worker TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    outcome TEXT,
    counts TEXT NOT NULL,
    -- Issues raised by this session.
    issues BIGINT NOT NULL,
    -- Journal entries so far: the next one's number.
    entries BIGINT NOT NULL,
    note TEXT NOT NULL,
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

CREATE INDEX sessions_of ON sessions (connection_id, started_at);
CREATE INDEX sessions_started ON sessions (started_at);

CREATE TABLE links (
    connection_id TEXT NOT NULL,
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    end_reason TEXT,
    link_key TEXT NOT NULL,
    mailbox_id TEXT,
    mailbox_version TEXT,
    crm_id TEXT,
    crm_version TEXT,
    base TEXT NOT NULL,
    made_on TEXT,
    touched BIGINT NOT NULL,
    intent_side TEXT,
    intent_at BIGINT,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, id),
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

CREATE INDEX links_mailbox ON links (connection_id, mailbox_id) WHERE mailbox_id IS NOT NULL;
CREATE INDEX links_crm ON links (connection_id, crm_id) WHERE crm_id IS NOT NULL;
CREATE INDEX links_key ON links (connection_id, link_key);
CREATE INDEX links_live ON links (connection_id, pair) WHERE state = 'live';
CREATE INDEX links_pending ON links (connection_id) WHERE intent_side IS NOT NULL;

CREATE TABLE journal (
    session_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    connection_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    link_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (session_id, seq),
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

CREATE INDEX journal_at ON journal (at);

CREATE TABLE issues (
    connection_id TEXT NOT NULL,
    id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    pair TEXT NOT NULL,
    kind TEXT NOT NULL,
    side TEXT NOT NULL,
    item TEXT NOT NULL,
    code TEXT NOT NULL,
    -- open, solved or ignored
    state TEXT NOT NULL,
    title BLOB NOT NULL,
    detail BLOB NOT NULL,
    cures TEXT NOT NULL,
    since BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, id),
    UNIQUE (connection_id, pair, kind, side, item, code),
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

CREATE INDEX issues_open ON issues (connection_id, pair, since) WHERE state = 'open';

CREATE TABLE trials (
    login TEXT NOT NULL PRIMARY KEY,
    -- JSON array of times.
    times TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE web_sessions (
    token_hash BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    touched_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (user_id, org_id) REFERENCES users (id, org_id)
);

CREATE INDEX web_sessions_of ON web_sessions (user_id);

CREATE TABLE flows (
    state_hash BLOB NOT NULL PRIMARY KEY,
    binding_hash BLOB NOT NULL,
    nonce_hash BLOB NOT NULL,
    verifier BLOB NOT NULL,
    purpose TEXT NOT NULL,
    login_host TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE codes (
    code_hash BLOB NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    nonce_hash BLOB NOT NULL,
    tries BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (user_id, org_id) REFERENCES users (id, org_id)
);

CREATE TABLE tickets (
    ticket_hash BLOB NOT NULL PRIMARY KEY,
    connection_id TEXT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    FOREIGN KEY (connection_id, org_id, user_id) REFERENCES connections (id, org_id, user_id)
);

CREATE TABLE audit (
    at BIGINT NOT NULL,
    org_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE INDEX audit_at ON audit (org_id, at);
