-- The inbox reads one index and no row: it holds what a question is found, sorted and counted by.
-- Amounts are whole ten-thousandths, which is what policy can see. `asks` and `spent` are sets of
-- JSON strings with a comma before and after each: whose answer is still missing ("role:…",
-- "person:…"), and whose doesn't count any more.

ALTER TABLE approvals ADD COLUMN workflow TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN tool TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN rules TEXT NOT NULL DEFAULT ',';
ALTER TABLE approvals ADD COLUMN risk TEXT NOT NULL DEFAULT 'medium';
ALTER TABLE approvals ADD COLUMN amount INTEGER;
ALTER TABLE approvals ADD COLUMN asks TEXT NOT NULL DEFAULT ',';
ALTER TABLE approvals ADD COLUMN spent TEXT NOT NULL DEFAULT ',';
ALTER TABLE approvals ADD COLUMN claimed_by TEXT;
ALTER TABLE approvals ADD COLUMN claimed_until TEXT;
ALTER TABLE approvals ADD COLUMN late_at TEXT NOT NULL DEFAULT '';
ALTER TABLE approvals ADD COLUMN effective_at TEXT;

UPDATE approvals SET body = json_set(body, '$.amount', json_extract(body, '$.facts.amount'))
    WHERE json_type(body, '$.facts.amount') = 'text'
    AND json_extract(body, '$.facts.amount') GLOB '[-0-9]*';
UPDATE approvals SET body = json_set(body, '$.started_by',
    (SELECT json_extract(trigger, '$.owner') FROM runs WHERE runs.id = approvals.run_id));
UPDATE approvals SET
    workflow = json_extract(body, '$.workflow'),
    tool = json_extract(body, '$.action.tool'),
    rules = ',' || (SELECT coalesce(group_concat(json_quote(value), ','), '')
        FROM json_each(body, '$.rules')) || ',',
    amount = CAST(round(json_extract(body, '$.amount') * 10000) AS INTEGER),
    asks = ',' || (SELECT coalesce(group_concat(json_quote('role:' || json_extract(value, '$.role')), ','), '')
        FROM json_each(body, '$.slots')) || ',',
    spent = ',' || json_quote(json_extract(body, '$.started_by')) || ','
        || (SELECT coalesce(group_concat(json_quote(operator), ',') || ',', '')
            FROM decisions WHERE approval_id = approvals.id),
    late_at = deadline;

DROP INDEX approvals_by_status;
CREATE INDEX approvals_inbox ON approvals (
    tenant, status, id, created_at, deadline, late_at, amount, risk, workflow, tool, rules,
    asks, spent, claimed_by, claimed_until
);
DROP INDEX approvals_pending;
CREATE UNIQUE INDEX approvals_pending ON approvals (run_id, visit, step, digest)
    WHERE status IN ('requested', 'open', 'held');

-- What was different after each version, for whoever answers one that is over.
CREATE TABLE approval_changes (
    tenant TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    field TEXT NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    PRIMARY KEY (tenant, approval_id, version, field),
    FOREIGN KEY (tenant, approval_id) REFERENCES approvals (tenant, id)
) STRICT, WITHOUT ROWID;

-- Who first saw a question when.
CREATE TABLE approval_looks (
    tenant TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    operator TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (tenant, approval_id, operator),
    FOREIGN KEY (tenant, approval_id) REFERENCES approvals (tenant, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE comments (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    approval_id TEXT NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    at TEXT NOT NULL,
    FOREIGN KEY (tenant, approval_id) REFERENCES approvals (tenant, id)
) STRICT;
CREATE INDEX comments_by_approval ON comments (tenant, approval_id, id);
CREATE TRIGGER comments_never_change BEFORE UPDATE ON comments
BEGIN SELECT RAISE(ABORT, 'comments are append-only'); END;
