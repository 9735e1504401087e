-- Rows of insights that make no sense: their ads are held until Meta sends a usable row in their place.
-- `date_start` is empty for what an ad did before the days that are kept.
CREATE TABLE unusable_rows (
    account_id TEXT NOT NULL, attribution TEXT NOT NULL, ad_id TEXT NOT NULL, date_start TEXT NOT NULL,
    reason TEXT NOT NULL, observed_at INTEGER NOT NULL,
    PRIMARY KEY (account_id, attribution, ad_id, date_start)
) WITHOUT ROWID;
