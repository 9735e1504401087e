-- Since when a stage of an account was observed, and since when it acts.
CREATE TABLE stage_modes (
    account_id TEXT NOT NULL, stage TEXT NOT NULL, observed_since INTEGER NOT NULL, live_since INTEGER,
    PRIMARY KEY (account_id, stage)
) WITHOUT ROWID;
-- What a stage that only observes would have done with an ad, the first time that it would have.
CREATE TABLE ghost_intents (
    account_id TEXT NOT NULL, ad_id TEXT NOT NULL, kind TEXT NOT NULL, ad_name TEXT NOT NULL, stage TEXT NOT NULL,
    rule TEXT NOT NULL, why TEXT NOT NULL, at INTEGER NOT NULL, run_id TEXT NOT NULL, today TEXT NOT NULL,
    PRIMARY KEY (account_id, ad_id, kind)
) WITHOUT ROWID;
