-- Policies on trial for a client's stage, beside the one that decides: asked in every run, and with a share above 0
-- heard about that part of the ads. One at a time; what ended stays, for its report.
CREATE TABLE policy_trials (
    client TEXT NOT NULL, stage TEXT NOT NULL, began_at INTEGER NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    digest TEXT NOT NULL, share REAL NOT NULL, stepped_at INTEGER NOT NULL, failures INTEGER NOT NULL,
    ended_at INTEGER, reason TEXT,
    PRIMARY KEY (client, stage, began_at)
);
