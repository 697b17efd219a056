-- The run's row is its job: what the queue orders and bounds stands in it.
-- `ready_at`: when a queued run may be claimed. `tries`: failed attempts in a row.

ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN ready_at TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET ready_at = updated_at;

CREATE INDEX runs_ready ON runs (priority DESC, ready_at, id) WHERE state = 'queued';
CREATE INDEX runs_leased ON runs (lease_until) WHERE state = 'running';

-- When the next run of a workflow may be taken up, where starts are limited.
CREATE TABLE rates (
    tenant TEXT NOT NULL,
    workflow TEXT NOT NULL,
    next_at TEXT NOT NULL,
    PRIMARY KEY (tenant, workflow)
) STRICT, WITHOUT ROWID;
