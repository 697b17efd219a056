-- Runs that have ended and whose root span no receiver has acknowledged yet, with the process that
-- is to export it: should that die, the next one does. Only where traces are exported.
CREATE TABLE traces_owed (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX traces_owed_by_age ON traces_owed (tenant, since);
