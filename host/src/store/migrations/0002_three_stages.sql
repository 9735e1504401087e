-- An account day as it looked when it was so many days old: how late conversions arrive is learned
-- from it. The last look on each day is kept.
CREATE TABLE account_days (
    account_id  TEXT    NOT NULL,
    attribution TEXT    NOT NULL,
    date_start  TEXT    NOT NULL,
    age_days    INTEGER NOT NULL,
    spend       INTEGER NOT NULL,
    purchases   REAL    NOT NULL,
    revenue     INTEGER,
    observed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, attribution, date_start, age_days)
) WITHOUT ROWID;

-- What the ad had done in its stage when an action on it was planned, as JSON.
ALTER TABLE actions ADD COLUMN evidence TEXT;

-- A promotion takes its ad's place in the next stage; a duplicate stands beside it in its own.
ALTER TABLE promotions ADD COLUMN kind TEXT NOT NULL DEFAULT 'promote';

-- Policies that failed lately: one that keeps failing is not asked until its time is up.
CREATE TABLE policy_faults (
    account_id      TEXT    NOT NULL,
    stage           TEXT    NOT NULL,
    digest          TEXT    NOT NULL,
    failures        INTEGER NOT NULL,
    suspended_until INTEGER NOT NULL,
    reason          TEXT    NOT NULL,
    failed_at       INTEGER NOT NULL,
    PRIMARY KEY (account_id, stage)
) WITHOUT ROWID;
