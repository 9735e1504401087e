-- The tables that the product's users know by name, filled by what happens: one row a key, replaced
-- when more is known. Money in minor units, moments in seconds since 1970-01-01 UTC, dates as account
-- days; what is not known is NULL.

-- Every ad with its creative and where it stands.
CREATE TABLE meta_creatives (
    account_id TEXT NOT NULL, ad_id TEXT NOT NULL,
    ad_name TEXT, creative_id TEXT, creative_name TEXT, story_id TEXT, adset_id TEXT, campaign_id TEXT,
    stage TEXT, status TEXT, source_ad_id TEXT, created_at INTEGER,
    PRIMARY KEY (account_id, ad_id)
) WITHOUT ROWID;

-- How worn an ad was on a day.
CREATE TABLE fatigue_analysis (
    account_id TEXT NOT NULL, ad_id TEXT NOT NULL, date TEXT NOT NULL,
    stage TEXT, fatigue_index REAL, decay_rate REAL, half_life_days REAL, ctr_7d REAL, ctr_peak REAL, ctr_ewma REAL,
    momentum_7d REAL, frequency_7d REAL,
    PRIMARY KEY (account_id, ad_id, date)
) WITHOUT ROWID;

-- What a creative did, over all ads that show it.
CREATE TABLE creative_intelligence (
    account_id TEXT NOT NULL, creative_id TEXT NOT NULL,
    name TEXT, ads INTEGER, live_ads INTEGER, furthest_stage TEXT, spend INTEGER, impressions REAL, clicks REAL,
    add_to_cart REAL, purchases REAL, revenue INTEGER, expected_cpa REAL, rank INTEGER, as_of TEXT,
    PRIMARY KEY (account_id, creative_id)
) WITHOUT ROWID;

-- A day of a stage, as far as it is known.
CREATE TABLE daily_summaries (
    account_id TEXT NOT NULL, date TEXT NOT NULL, stage TEXT NOT NULL,
    spend INTEGER, impressions REAL, clicks REAL, add_to_cart REAL, purchases REAL, revenue INTEGER,
    settled REAL, pauses INTEGER, resumes INTEGER, copies INTEGER, budget_changes INTEGER,
    PRIMARY KEY (account_id, date, stage)
) WITHOUT ROWID;

-- How a stage stood at each run.
CREATE TABLE time_series_data (
    account_id TEXT NOT NULL, stage TEXT NOT NULL, observed_at INTEGER NOT NULL,
    live_ads INTEGER, budgets INTEGER, spend_today INTEGER, purchases_today REAL, revenue_today INTEGER,
    PRIMARY KEY (account_id, stage, observed_at)
) WITHOUT ROWID;

-- How weekdays differ: what a purchase costs on each, by the last complete days.
CREATE TABLE temporal_analysis (
    account_id TEXT NOT NULL, kind TEXT NOT NULL, slot INTEGER NOT NULL,
    days INTEGER, spend INTEGER, purchases REAL, revenue INTEGER, relative_purchase_rate REAL, as_of TEXT,
    PRIMARY KEY (account_id, kind, slot)
) WITHOUT ROWID;

-- The account at each run.
CREATE TABLE account_health (
    account_id TEXT NOT NULL, observed_at INTEGER NOT NULL,
    status TEXT, advice TEXT, balance INTEGER, amount_spent INTEGER, spend_cap INTEGER, cpa_3d REAL,
    breakeven_cpa REAL, stopped_by TEXT, growth_stopped TEXT,
    PRIMARY KEY (account_id, observed_at)
) WITHOUT ROWID;

-- Dean at each run.
CREATE TABLE system_health (
    account_id TEXT NOT NULL, run_id TEXT NOT NULL, component TEXT NOT NULL,
    status TEXT, message TEXT, value REAL,
    PRIMARY KEY (account_id, run_id, component)
) WITHOUT ROWID;
