-- The tenants that somebody has made, and those that were erased. In the main file: all of them,
-- with the region of those that have a file of their own; in such a file: the one that it is for.
-- Tenants that share the main file need no row. A row of one that was erased stays: it says who
-- did it when, and where the history ended that is no more.
CREATE TABLE tenants (
    tenant TEXT PRIMARY KEY,
    region TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'erasing', 'erased')),
    created_by TEXT NOT NULL,
    created_at TEXT NOT NULL,
    erased_by TEXT,
    erased_at TEXT,
    head_number INTEGER,
    head_hash TEXT
) STRICT, WITHOUT ROWID;

-- History goes only as a whole, with its tenant.
DROP TRIGGER events_never_go;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM tenants WHERE tenant = OLD.tenant AND state = 'erasing')
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

-- Triggers that people have made, beside those that the project's code declares. `body` is JSON,
-- and names the secret that signs for it.
CREATE TABLE triggers (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
