-- Policies that were installed: immutable, what a name and version mean for ever. Their bytes are artifacts.
CREATE TABLE policies (
    name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL, origin TEXT NOT NULL,
    signature TEXT, serial INTEGER, installed_at INTEGER NOT NULL,
    PRIMARY KEY (name, version)
);

-- Which policy decides for a stage from when on, for a client or (empty) for all: of those that are not withdrawn the
-- newest holds. A rollback withdraws the newest.
CREATE TABLE policy_switches (
    id INTEGER PRIMARY KEY, client TEXT NOT NULL, stage TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    digest TEXT NOT NULL, switched_at INTEGER NOT NULL, withdrawn_at INTEGER
);

-- The policy that decided last for a client's stage: what goes on deciding when the chosen one cannot be used.
CREATE TABLE policy_uses (
    client TEXT NOT NULL, stage TEXT NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL,
    signature TEXT, used_at INTEGER NOT NULL,
    PRIMARY KEY (client, stage)
);
