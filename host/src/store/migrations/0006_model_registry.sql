-- Models that were imported: immutable, by name and version. The shipped ones lie in the program.
CREATE TABLE ml_models (
    model TEXT NOT NULL, version TEXT NOT NULL, sha256 TEXT NOT NULL, manifest TEXT NOT NULL, file BLOB NOT NULL,
    imported_at INTEGER NOT NULL,
    PRIMARY KEY (model, version)
);

-- Which version scores from when on, for a client or (empty) for all: of those that are not withdrawn the newest
-- holds. A rollback withdraws the newest.
CREATE TABLE model_switches (
    id INTEGER PRIMARY KEY, client TEXT NOT NULL, model TEXT NOT NULL, version TEXT NOT NULL,
    switched_at INTEGER NOT NULL, withdrawn_at INTEGER
);
