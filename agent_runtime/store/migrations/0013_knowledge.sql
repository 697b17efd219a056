-- What the knowledge base knows: one row for each document of a tenant. `hash` covers its bytes and
-- all that is declared about it; `body` is JSON, sealed where content is. Dates are days, inclusive.
CREATE TABLE sources (
    tenant TEXT NOT NULL,
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    hash TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT NOT NULL,
    checked_at TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX sources_by_name ON sources (tenant, name);

CREATE TABLE source_labels (
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    label TEXT NOT NULL,
    PRIMARY KEY (tenant, source, label)
) STRICT, WITHOUT ROWID;

-- `id` depends on source and text alone, so that a text that stays keeps it. `number` is its place.
CREATE TABLE passages (
    row INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX passages_by_id ON passages (tenant, source, id);
CREATE INDEX passages_by_hash ON passages (tenant, hash);

-- The words of passages by row. Each word is a keyed hash that only its tenant's words can be: the
-- index tells no text, and no query finds another tenant's passage.
CREATE VIRTUAL TABLE passage_words USING fts5 (words, tokenize = 'ascii');
CREATE VIRTUAL TABLE passage_word_counts USING fts5vocab (passage_words, row);
-- Whoever erases a passage erases its words: no other way to them is left open.
CREATE TRIGGER passages_forgotten AFTER DELETE ON passages BEGIN
    DELETE FROM passage_words WHERE rowid = old.row;
END;

-- Embeddings by the hash of what was embedded, for as long as a passage says it. Float32.
CREATE TABLE vectors (
    tenant TEXT NOT NULL,
    model TEXT NOT NULL,
    hash TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (tenant, model, hash)
) STRICT, WITHOUT ROWID;

-- The generation is raised by every change of a tenant's knowledge.
CREATE TABLE knowledge_states (
    tenant TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    passages INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What stands in place of a person's data in prompts. The key is the tenant's own, the value is
-- what the pseudonym is turned back into when an approved action is executed; both sealed.
CREATE TABLE pseudonym_keys (
    tenant TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE pseudonyms (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;
