-- Measures: sums kept up from the history, so that no figure needs a scan of it. `day` is the UTC
-- day that a case belongs to, or its month, as m2026-03: long windows add up months. `by` and `value` say what it is split by; `bucket` is the place in a
-- histogram. `n` counts cases, `total` and `squares` add up their values. No content is in here.
CREATE TABLE measures (
    tenant TEXT NOT NULL,
    day TEXT NOT NULL,
    workflow TEXT NOT NULL,
    measure TEXT NOT NULL,
    by TEXT NOT NULL,
    value TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    n INTEGER NOT NULL,
    total REAL NOT NULL,
    squares REAL NOT NULL,
    PRIMARY KEY (tenant, day, workflow, measure, by, value, bucket)
) STRICT, WITHOUT ROWID;
CREATE INDEX measures_of_calibration ON measures (tenant, workflow, value, day)
    WHERE measure IN ('right', 'wrong') AND by = 'step';

-- Up to which event they have been kept up. It moves in the transaction of the sums.
CREATE TABLE measured (
    tenant TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is known of a run so far, as far as later events need it to be counted: names of rules,
-- prompts and models, moments and numbers, no content.
CREATE TABLE courses (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id)
) STRICT, WITHOUT ROWID;

-- What came of a run later on, as others said: refund reversed, customer satisfied.
CREATE TABLE outcomes (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    value REAL NOT NULL,
    observed_at TEXT NOT NULL,
    recorded_at TEXT NOT NULL,
    recorded_by TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id, name),
    FOREIGN KEY (tenant, run_id) REFERENCES runs (tenant, id)
) STRICT, WITHOUT ROWID;

-- What people said of a run when they were shown it to be labelled.
CREATE TABLE labels (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    name TEXT NOT NULL,
    operator TEXT NOT NULL,
    value TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id, name, operator),
    FOREIGN KEY (tenant, run_id) REFERENCES runs (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX labels_by_name ON labels (tenant, name, run_id);

-- What graders said of a run; `error` in place of a score where one could not tell. `body` holds
-- its reason, sealed where content is.
CREATE TABLE grades (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    grader TEXT NOT NULL,
    score REAL,
    error TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL DEFAULT '',
    at TEXT NOT NULL,
    PRIMARY KEY (tenant, run_id, grader),
    FOREIGN KEY (tenant, run_id) REFERENCES runs (tenant, id)
) STRICT, WITHOUT ROWID;

-- Prompts that a share of runs gets. At most one of a workflow is on trial. `body` is JSON: names
-- and numbers.
CREATE TABLE rollouts (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    workflow TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'rolled_back', 'stopped')),
    body TEXT NOT NULL
) STRICT;
CREATE INDEX rollouts_by_tenant ON rollouts (tenant, workflow);
CREATE UNIQUE INDEX rollouts_running ON rollouts (tenant, workflow) WHERE state = 'running';

-- Alerts that stand: told when they begin, and not again before they have ended.
CREATE TABLE alerts (
    tenant TEXT NOT NULL,
    workflow TEXT NOT NULL,
    name TEXT NOT NULL,
    since TEXT NOT NULL,
    PRIMARY KEY (tenant, workflow, name)
) STRICT, WITHOUT ROWID;
