-- Who is signed in at a browser: by the SHA-256 hash of the cookie's secret. `body` is JSON without
-- it; `token` is the API token that opened the sign-in, whose end is its end too.
CREATE TABLE sign_ins (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    hash TEXT NOT NULL UNIQUE,
    token TEXT,
    body TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    ends_at TEXT NOT NULL,
    left_at TEXT
) STRICT;
CREATE INDEX sign_ins_by_tenant ON sign_ins (tenant, ends_at);
