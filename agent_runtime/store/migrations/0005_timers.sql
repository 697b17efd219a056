-- One table for all that happens by time alone. A row is one alarm; firing it is one conditional
-- change of the row in the transaction of its effect. `subject` is what it is about: an approval
-- (deadline, hold, reminder), a run (start), a schedule, or the upkeep of the file. `set_at` is the clock's time
-- when it was set: a repeated alarm that seems to have been set later than now was set by a clock
-- that has gone back since.
CREATE TABLE timers (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN
        ('deadline', 'hold', 'reminder', 'start', 'schedule', 'upkeep')),
    subject TEXT NOT NULL,
    due_at TEXT NOT NULL,
    set_at TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX timers_due ON timers (due_at);
CREATE INDEX timers_repeated ON timers (set_at) WHERE kind IN ('schedule', 'upkeep');

INSERT INTO timers (tenant, kind, subject, due_at, set_at)
    SELECT tenant, 'deadline', id, deadline, created_at FROM approvals WHERE status = 'open';
INSERT INTO timers (tenant, kind, subject, due_at, set_at)
    SELECT tenant, 'start', id, ready_at, updated_at FROM runs
    WHERE state = 'queued' AND ready_at > updated_at;
DROP INDEX approvals_due;

-- `declared`: it stands in the project's code, which is where it is changed and removed.
CREATE TABLE schedules (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    name TEXT NOT NULL,
    cron TEXT NOT NULL,
    zone TEXT NOT NULL,
    input TEXT NOT NULL,
    owner TEXT NOT NULL,
    catch_up TEXT NOT NULL CHECK (catch_up IN ('skip', 'once', 'all')),
    declared INTEGER NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
