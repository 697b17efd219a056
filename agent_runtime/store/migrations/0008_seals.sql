-- The keys that content of this file may be sealed with: `proof` is a value that only that key
-- opens. By it a missing or wrong key is told when the file is opened, before anything is written.
CREATE TABLE seals (
    key_id TEXT PRIMARY KEY,
    proof TEXT NOT NULL
) STRICT, WITHOUT ROWID;
