-- Under which policy a question was asked, beside its body: a process that starts looks for those
-- asked under another one, and reads none of ten thousand that are as they should be. What is
-- sealed tells nothing here: it stays '', and is looked into.
ALTER TABLE approvals ADD COLUMN policy_version TEXT NOT NULL DEFAULT '';
UPDATE approvals SET policy_version = coalesce(json_extract(body, '$.policy_version'), '')
    WHERE status IN ('requested', 'open', 'held') AND json_valid(body);
CREATE INDEX approvals_by_policy ON approvals (tenant, policy_version) WHERE status = 'open';
