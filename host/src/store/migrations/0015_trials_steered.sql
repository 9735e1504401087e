-- A trial keeps what a rule saw of it last, on which account day, and what was said of its present share. Two that begin in
-- one second are two.
CREATE TABLE trials_steered (
    client TEXT NOT NULL, stage TEXT NOT NULL, began_at INTEGER NOT NULL, name TEXT NOT NULL, version TEXT NOT NULL,
    digest TEXT NOT NULL, share REAL NOT NULL, stepped_at INTEGER NOT NULL, failures INTEGER NOT NULL,
    ended_at INTEGER, reason TEXT, steered_on TEXT, told TEXT, evidence TEXT,
    PRIMARY KEY (client, stage, began_at, digest)
);
INSERT INTO trials_steered
    SELECT client, stage, began_at, name, version, digest, share, stepped_at, failures, ended_at, reason, NULL, NULL, NULL
    FROM policy_trials ORDER BY began_at, client, stage;
DROP TABLE policy_trials;
ALTER TABLE trials_steered RENAME TO policy_trials;
