-- Every attempt at asking a model, with what it took: numbers and names only, so that accounts can
-- be kept when the content is pruned. Costs are integers, in billionths of the price table's
-- currency, and NULL where no price is known.
CREATE TABLE model_calls (
    seq INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    run_id TEXT NOT NULL,
    step TEXT NOT NULL,
    visit INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    model TEXT NOT NULL,
    tier TEXT NOT NULL,
    request TEXT NOT NULL,
    outcome TEXT NOT NULL,
    millis INTEGER NOT NULL,
    tokens_in INTEGER NOT NULL,
    tokens_out INTEGER NOT NULL,
    tokens_cached INTEGER NOT NULL,
    estimated INTEGER NOT NULL,
    cost INTEGER,
    at TEXT NOT NULL
);
CREATE INDEX model_calls_by_run ON model_calls (tenant, run_id);

-- What budgets have been drawn on, by scope: calls in flight count with their estimate.
CREATE TABLE spendings (
    tenant TEXT NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    money INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    millis INTEGER NOT NULL,
    PRIMARY KEY (tenant, scope, name)
) WITHOUT ROWID;

-- Answers of steps that declare themselves deterministic, by the hash of the whole request.
CREATE TABLE model_answers (
    tenant TEXT NOT NULL,
    request TEXT NOT NULL,
    body TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (tenant, request)
) WITHOUT ROWID;
CREATE INDEX model_answers_by_expiry ON model_answers (tenant, expires_at);
