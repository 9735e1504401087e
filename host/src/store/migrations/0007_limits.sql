-- How much of Meta's limits was used up when it was last heard of, for the next process.
CREATE TABLE api_limits (
    account_id TEXT NOT NULL, name TEXT NOT NULL, percent REAL NOT NULL, heard_at INTEGER NOT NULL,
    free_at INTEGER, resets_in_s INTEGER, tier TEXT,
    PRIMARY KEY (account_id, name)
);
