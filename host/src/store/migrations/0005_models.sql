-- What models are trained on: what was known of every ad once a day. `numbers` is a JSON array of what the
-- names of its schema say, null where not known.
CREATE TABLE feature_engineering (
    account_id TEXT NOT NULL, ad_id TEXT NOT NULL, date TEXT NOT NULL,
    stage TEXT, observed_at INTEGER, target_cpa INTEGER, schema TEXT, numbers TEXT,
    PRIMARY KEY (account_id, ad_id, date)
) WITHOUT ROWID;

-- The names of the numbers above, a JSON array in their order.
CREATE TABLE feature_schemas (
    account_id TEXT NOT NULL, schema TEXT NOT NULL, names TEXT,
    PRIMARY KEY (account_id, schema)
) WITHOUT ROWID;

-- What models said of every ad once a day, to be judged when it has come or not. `due` is the day on which
-- what was foretold is over and its late conversions are in.
CREATE TABLE ml_predictions (
    account_id TEXT NOT NULL, ad_id TEXT NOT NULL, date TEXT NOT NULL, score TEXT NOT NULL,
    stage TEXT, value REAL, low REAL, high REAL, model TEXT, version TEXT, sha256 TEXT, due TEXT,
    PRIMARY KEY (account_id, ad_id, date, score)
) WITHOUT ROWID;

-- Creatives that people meet alike: the nearest of each, nearest first.
CREATE TABLE creative_similarity (
    account_id TEXT NOT NULL, creative_id TEXT NOT NULL, rank INTEGER NOT NULL,
    similar_creative_id TEXT, similarity REAL, version TEXT, as_of TEXT,
    PRIMARY KEY (account_id, creative_id, rank)
) WITHOUT ROWID;
