-- Messages that triggers took lately: the same id with another content is a replay. Rows that are
-- older than the window in which a signature counts are of no more use.
CREATE TABLE messages (
    tenant TEXT NOT NULL,
    trigger TEXT NOT NULL,
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (tenant, trigger, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX messages_by_age ON messages (at);

-- Who is told what, where. `body` is JSON, sealed where content is: an address may name a person.
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX subscriptions_by_tenant ON subscriptions (tenant, id);

-- The outbox: what is to be told, written with the event that it tells of. `body` is JSON of ids,
-- digests and states. What is due has a timer of the kind `notice`.
CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    subscription TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('due', 'delivered', 'dead')),
    body TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '',
    changed_at TEXT NOT NULL
) STRICT;
CREATE INDEX notices_by_state ON notices (tenant, state, id);
CREATE INDEX notices_by_subscription ON notices (tenant, subscription, state);

-- One more kind of timer; a retry that seems to have been set later than now is looked at again.
CREATE TABLE timers_wider (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN
        ('deadline', 'hold', 'reminder', 'start', 'schedule', 'upkeep', 'notice')),
    subject TEXT NOT NULL,
    due_at TEXT NOT NULL,
    set_at TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO timers_wider SELECT tenant, kind, subject, due_at, set_at FROM timers;
DROP TABLE timers;
ALTER TABLE timers_wider RENAME TO timers;
CREATE INDEX timers_due ON timers (due_at);
CREATE INDEX timers_repeated ON timers (set_at) WHERE kind IN ('schedule', 'upkeep', 'notice');
