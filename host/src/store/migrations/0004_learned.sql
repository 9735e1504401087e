-- Rows of insights that make no sense: their ads are held until Meta sends a usable row in their place.
-- `date_start` is empty for what an ad did before the days that are kept.
CREATE TABLE unusable_rows (
    account_id TEXT NOT NULL, attribution TEXT NOT NULL, ad_id TEXT NOT NULL, date_start TEXT NOT NULL,
    reason TEXT NOT NULL, observed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, attribution, ad_id, date_start)
) WITHOUT ROWID;

-- What was learned of the account, and how promotions and policies ended.
CREATE TABLE learning_events (
    account_id TEXT NOT NULL, observed_at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL,
    value REAL, detail TEXT,
    PRIMARY KEY (account_id, observed_at, kind, subject)
) WITHOUT ROWID;

-- How ads that are alike, by click-through or by add-to-carts, did over their lives.
CREATE TABLE performance_patterns (
    account_id TEXT NOT NULL, kind TEXT NOT NULL, bucket TEXT NOT NULL,
    ads INTEGER, promoted INTEGER, paused INTEGER, spend INTEGER, impressions REAL, clicks REAL, add_to_cart REAL,
    purchases REAL, revenue INTEGER, as_of TEXT,
    PRIMARY KEY (account_id, kind, bucket)
) WITHOUT ROWID;

-- Daily budgets at the first look on an account day: what a day's rise is counted from.
CREATE TABLE morning_budgets (
    account_id TEXT NOT NULL, owner_id TEXT NOT NULL, date TEXT NOT NULL, daily_budget INTEGER NOT NULL,
    PRIMARY KEY (account_id, owner_id, date)
) WITHOUT ROWID;
