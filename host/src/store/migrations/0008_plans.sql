-- What a dry run would have done: a plan that is applied later has to be one of these, as it was made.
CREATE TABLE plans (
    run_id TEXT PRIMARY KEY, account_id TEXT NOT NULL, body TEXT NOT NULL, applied_by TEXT
);
