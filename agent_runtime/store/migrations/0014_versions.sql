-- The versions of workflows that runs were started under, each stored once: what a run is drawn,
-- replayed and compared by when the code has moved on. A body holds declarations, nobody's content.
CREATE TABLE workflow_versions (
    tenant TEXT NOT NULL,
    workflow TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL,
    UNIQUE (tenant, workflow, id),
    UNIQUE (tenant, workflow, number)
) STRICT;

-- Where a run comes from that was forked from another one: JSON.
ALTER TABLE runs ADD COLUMN origin TEXT;
