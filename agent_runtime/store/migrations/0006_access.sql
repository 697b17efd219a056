-- Who may come in: API tokens, by the SHA-256 hash of their secret. `body` is JSON without it.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    revoked_at TEXT,
    last_used_at TEXT
) STRICT;
CREATE INDEX tokens_by_tenant ON tokens (tenant, id);

-- What was answered to a request that carried an idempotency key. `status` is null while the
-- first request with the key is at work in the process `owner`.
CREATE TABLE answers (
    tenant TEXT NOT NULL,
    operator TEXT NOT NULL,
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    owner TEXT NOT NULL,
    status INTEGER,
    headers TEXT,
    body TEXT,
    created_at TEXT NOT NULL,
    PRIMARY KEY (tenant, operator, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (created_at);

-- Changes of policy sets. At most one of a name is active: what decides, whatever the files say.
CREATE TABLE policy_changes (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('proposed', 'active', 'replaced', 'withdrawn')),
    body TEXT NOT NULL
) STRICT;
CREATE INDEX policy_changes_by_tenant ON policy_changes (tenant, id);
CREATE UNIQUE INDEX policy_changes_active ON policy_changes (tenant, name) WHERE state = 'active';
