-- What calls of a policy cost and how they ended, by account day.
CREATE TABLE policy_calls (
    account_id TEXT NOT NULL, date TEXT NOT NULL, stage TEXT NOT NULL, digest TEXT NOT NULL, name TEXT NOT NULL,
    version TEXT NOT NULL, trial INTEGER NOT NULL, calls INTEGER NOT NULL, ads INTEGER NOT NULL,
    failures INTEGER NOT NULL, held INTEGER NOT NULL, micros INTEGER NOT NULL, instructions INTEGER NOT NULL,
    memory_bytes INTEGER NOT NULL,
    PRIMARY KEY (account_id, date, stage, digest, trial)
);
