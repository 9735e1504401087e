-- Money is in minor units of the account's currency; moments are seconds since 1970-01-01 UTC;
-- dates are account days as YYYY-MM-DD.

-- Numbers of an ad over a span: window_type 'day' for one account day, 'before' for everything
-- before date_start.
CREATE TABLE performance_metrics (
    account_id        TEXT    NOT NULL,
    ad_id             TEXT    NOT NULL,
    window_type       TEXT    NOT NULL,
    date_start        TEXT    NOT NULL,
    attribution       TEXT    NOT NULL,
    spend             INTEGER NOT NULL,
    impressions       REAL    NOT NULL,
    clicks            REAL    NOT NULL,
    link_clicks       REAL    NOT NULL,
    purchases         REAL    NOT NULL,
    revenue           INTEGER,
    add_to_cart       REAL    NOT NULL,
    initiate_checkout REAL    NOT NULL,
    video_3s          REAL    NOT NULL,
    thruplay          REAL    NOT NULL,
    watch_time        REAL    NOT NULL,
    reach             REAL    NOT NULL,
    first_observed_at INTEGER NOT NULL,
    observed_at       INTEGER NOT NULL, -- when it was last seen to be another than before
    restated          INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, attribution, window_type, date_start, ad_id)
) WITHOUT ROWID;

-- When history was last read as far back as Meta may restate it.
CREATE TABLE histories (
    account_id  TEXT    NOT NULL,
    attribution TEXT    NOT NULL,
    read_at     INTEGER NOT NULL,
    PRIMARY KEY (account_id, attribution)
) WITHOUT ROWID;

CREATE TABLE ad_lifecycle (
    account_id   TEXT    NOT NULL,
    ad_id        TEXT    NOT NULL,
    stage        TEXT    NOT NULL,
    entered_at   INTEGER NOT NULL,
    before       TEXT,
    source_ad_id TEXT,
    PRIMARY KEY (account_id, ad_id, stage)
) WITHOUT ROWID;

CREATE TABLE runs (
    run_id      TEXT    PRIMARY KEY,
    account_id  TEXT    NOT NULL,
    client      TEXT    NOT NULL,
    as_of       INTEGER NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER,
    dry_run     INTEGER NOT NULL,
    state       TEXT    NOT NULL,
    report      BLOB
);
CREATE INDEX runs_by_account ON runs (account_id, as_of);

-- The ledger: every write to an account is a row here before it is sent.
CREATE TABLE actions (
    action_id   TEXT    PRIMARY KEY,
    run_id      TEXT    NOT NULL,
    account_id  TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    target_id   TEXT    NOT NULL,
    ad_id       TEXT,
    stage       TEXT    NOT NULL,
    rule        TEXT    NOT NULL,
    from_value  TEXT,
    to_value    TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    planned_at  INTEGER NOT NULL,
    sent_at     INTEGER,
    finished_at INTEGER,
    answer      TEXT,
    reason      TEXT,
    lookups     INTEGER NOT NULL DEFAULT 0,
    looked_at   INTEGER
);
CREATE INDEX actions_by_account ON actions (account_id, planned_at);
CREATE INDEX actions_by_run ON actions (run_id, seq);

CREATE TABLE promotions (
    promotion_id TEXT    PRIMARY KEY,
    account_id   TEXT    NOT NULL,
    source_ad_id TEXT    NOT NULL,
    from_stage   TEXT    NOT NULL,
    to_stage     TEXT    NOT NULL,
    campaign_id  TEXT    NOT NULL,
    daily_budget INTEGER NOT NULL,
    rule         TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    adset_id     TEXT,
    ad_id        TEXT,
    started_at   INTEGER NOT NULL,
    step_at      INTEGER NOT NULL,
    reason       TEXT
);
CREATE INDEX promotions_by_account ON promotions (account_id, started_at);

-- Policies that decided something, by digest: a replay needs their bytes.
CREATE TABLE artifacts (
    digest  TEXT PRIMARY KEY,
    name    TEXT NOT NULL,
    version TEXT NOT NULL,
    bytes   BLOB NOT NULL
);

-- Everything a decision saw, column-major and compressed; see the journal's module.
CREATE TABLE journal (
    run_id      TEXT NOT NULL,
    stage       TEXT NOT NULL,
    base_run_id TEXT,
    bytes       BLOB NOT NULL,
    PRIMARY KEY (run_id, stage)
) WITHOUT ROWID;
