-- Checkpoints move from the tables of LangGraph's own SQLite saver into ours. Those exist where a
-- run was driven before; made here where they are missing, they are moved by one piece of code:
-- after this script, `migration.move_stock_checkpoints` copies their rows and drops them.

CREATE TABLE IF NOT EXISTS checkpoints (
    thread_id TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL DEFAULT '',
    checkpoint_id TEXT NOT NULL,
    parent_checkpoint_id TEXT,
    type TEXT,
    checkpoint BLOB,
    metadata BLOB,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
);
CREATE TABLE IF NOT EXISTS writes (
    thread_id TEXT NOT NULL,
    checkpoint_ns TEXT NOT NULL DEFAULT '',
    checkpoint_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    task_path TEXT NOT NULL DEFAULT '',
    idx INTEGER NOT NULL,
    channel TEXT NOT NULL,
    type TEXT,
    value BLOB,
    PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
);
ALTER TABLE checkpoints RENAME TO stock_checkpoints;
ALTER TABLE writes RENAME TO stock_writes;

-- `versions` is a JSON object, channel → version: it says which rows of checkpoint_values belong
-- to the checkpoint. `run_id` is null where the thread itself is the run, as all of ours are.
CREATE TABLE checkpoints (
    tenant TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    ns TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    parent_id TEXT,
    run_id TEXT,
    versions TEXT NOT NULL,
    metadata TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, thread_id, ns, checkpoint_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX checkpoints_by_run ON checkpoints (tenant, run_id) WHERE run_id IS NOT NULL;

-- A channel's value, stored once however many checkpoints hold it. A version is whatever LangGraph
-- counts with: ours are text, other people's whole numbers or fractions.
CREATE TABLE checkpoint_values (
    tenant TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    ns TEXT NOT NULL,
    channel TEXT NOT NULL,
    version ANY NOT NULL,
    type TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, thread_id, ns, channel, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoint_writes (
    tenant TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    ns TEXT NOT NULL,
    checkpoint_id TEXT NOT NULL,
    task_id TEXT NOT NULL,
    idx INTEGER NOT NULL,
    task_path TEXT NOT NULL,
    channel TEXT NOT NULL,
    type TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, thread_id, ns, checkpoint_id, task_id, idx)
) STRICT, WITHOUT ROWID;
