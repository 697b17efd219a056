-- Requests that go by a provider's batch endpoint: one for a visit of a step, made when the run gets
-- there and kept until the run has read what came back. `body` is JSON: the provider's request, then
-- what came back for it; sealed where content is. `drawn` says what budgets were drawn on.
CREATE TABLE batch_lines (
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    step TEXT NOT NULL,
    visit INTEGER NOT NULL,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'answered', 'lost')),
    batch TEXT,
    status INTEGER,
    body TEXT NOT NULL,
    drawn TEXT NOT NULL,
    is_read INTEGER NOT NULL DEFAULT 0,
    made_at TEXT NOT NULL,
    until TEXT NOT NULL,
    ended_at TEXT,
    PRIMARY KEY (tenant, run_id, step, visit)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_lines_by_model ON batch_lines (tenant, model) WHERE state = 'waiting';
CREATE INDEX batch_lines_by_batch ON batch_lines (tenant, batch);

-- What was sent together. `theirs` is the provider's name for it, NULL until it is known.
CREATE TABLE batches (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    model TEXT NOT NULL,
    theirs TEXT,
    looks INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    is_done INTEGER NOT NULL DEFAULT 0,
    made_at TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;

ALTER TABLE model_calls ADD COLUMN batched INTEGER NOT NULL DEFAULT 0;

-- One more kind of timer: lines are to be sent, or a batch is to be looked at.
CREATE TABLE timers_wider (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN
        ('deadline', 'hold', 'reminder', 'start', 'schedule', 'upkeep', 'notice', 'batch')),
    subject TEXT NOT NULL,
    due_at TEXT NOT NULL,
    set_at TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO timers_wider SELECT tenant, kind, subject, due_at, set_at FROM timers;
DROP TABLE timers;
ALTER TABLE timers_wider RENAME TO timers;
CREATE INDEX timers_due ON timers (due_at);
CREATE INDEX timers_repeated ON timers (set_at)
    WHERE kind IN ('schedule', 'upkeep', 'notice', 'batch');
