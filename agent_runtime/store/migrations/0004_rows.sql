-- Checkpoints and contents get a row number, and their keys an index. Without one, SQLite keeps the
-- whole row in the index, where all beyond a quarter of a page takes a page of its own: a run took
-- twice the space.

CREATE TABLE kept_contents (
    tenant TEXT NOT NULL,
    hash TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (tenant, hash)
) STRICT;
INSERT INTO kept_contents (tenant, hash, body) SELECT tenant, hash, body FROM contents;
DROP TABLE contents;
ALTER TABLE kept_contents RENAME TO contents;

CREATE TABLE kept_checkpoints (
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
    UNIQUE (tenant, thread_id, ns, checkpoint_id)
) STRICT;
INSERT INTO kept_checkpoints (tenant, thread_id, ns, checkpoint_id, parent_id, run_id, versions,
    metadata, type, body) SELECT tenant, thread_id, ns, checkpoint_id, parent_id, run_id, versions,
    metadata, type, body FROM checkpoints;
DROP TABLE checkpoints;
ALTER TABLE kept_checkpoints RENAME TO checkpoints;
CREATE INDEX checkpoints_by_run ON checkpoints (tenant, run_id) WHERE run_id IS NOT NULL;
