-- Durable truth. Times are ISO 8601 UTC text, JSON is canonical text, every row has a tenant, and
-- foreign keys hold the tenant too, so that no row can hang on another tenant's.

CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    workflow TEXT NOT NULL,
    version TEXT NOT NULL,
    state TEXT NOT NULL,
    input TEXT NOT NULL,
    documents TEXT NOT NULL,
    trigger TEXT NOT NULL,
    trigger_key TEXT,
    epoch INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until TEXT,
    trace TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    UNIQUE (tenant, id)
) STRICT;
CREATE UNIQUE INDEX runs_by_key ON runs (tenant, workflow, trigger_key) WHERE trigger_key IS NOT NULL;
CREATE INDEX runs_by_state ON runs (tenant, state, id);

CREATE TABLE approvals (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    step TEXT NOT NULL,
    visit INTEGER NOT NULL,
    status TEXT NOT NULL,
    digest TEXT NOT NULL,
    action_digest TEXT NOT NULL,
    deadline TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (tenant, id),
    FOREIGN KEY (tenant, run_id) REFERENCES runs (tenant, id)
) STRICT;
CREATE INDEX approvals_by_visit ON approvals (run_id, step, visit, id);
CREATE INDEX approvals_by_status ON approvals (tenant, status, id);
CREATE INDEX approvals_due ON approvals (deadline) WHERE status = 'open';
CREATE UNIQUE INDEX approvals_pending ON approvals (run_id, visit, step, digest)
    WHERE status IN ('requested', 'open');

CREATE TABLE decisions (
    approval_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    operator TEXT NOT NULL,
    body TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (approval_id, operator),
    FOREIGN KEY (tenant, approval_id) REFERENCES approvals (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE authorizations (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    step TEXT NOT NULL,
    visit INTEGER NOT NULL,
    approval_id TEXT,
    action_digest TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('granted', 'consumed', 'voided')),
    UNIQUE (run_id, step, visit),
    UNIQUE (tenant, id),
    FOREIGN KEY (tenant, run_id) REFERENCES runs (tenant, id)
) STRICT;

CREATE TABLE journal (
    key TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    authorization_id TEXT NOT NULL UNIQUE,
    tool TEXT NOT NULL,
    action_digest TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('intended', 'executed', 'failed')),
    tries INTEGER NOT NULL DEFAULT 1,
    may_retry INTEGER NOT NULL DEFAULT 0,
    result TEXT,
    intended_at TEXT NOT NULL,
    settled_at TEXT,
    FOREIGN KEY (tenant, run_id) REFERENCES runs (tenant, id),
    FOREIGN KEY (tenant, authorization_id) REFERENCES authorizations (tenant, id)
) STRICT;
CREATE INDEX journal_by_run ON journal (run_id);

CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant TEXT NOT NULL,
    number INTEGER NOT NULL,
    run_id TEXT,
    type TEXT NOT NULL,
    at TEXT NOT NULL,
    body_digest TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL,
    UNIQUE (tenant, number)
) STRICT;
CREATE INDEX events_by_run ON events (run_id, seq);

CREATE TABLE event_bodies (
    seq INTEGER PRIMARY KEY REFERENCES events (seq),
    salt TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER bodies_never_change BEFORE UPDATE ON event_bodies
BEGIN SELECT RAISE(ABORT, 'event bodies are append-only'); END;

CREATE TABLE contents (
    tenant TEXT NOT NULL,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE recordings (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('model', 'tool')),
    name TEXT NOT NULL,
    request TEXT NOT NULL,
    response TEXT NOT NULL,
    at TEXT NOT NULL,
    FOREIGN KEY (tenant, run_id) REFERENCES runs (tenant, id)
) STRICT;
CREATE INDEX recordings_by_run ON recordings (run_id, seq);
