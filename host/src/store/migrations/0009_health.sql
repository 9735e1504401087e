-- What keeps an account going beside its ads, as it was last read: JSON.
CREATE TABLE vitals (
    account_id TEXT PRIMARY KEY, read_at INTEGER NOT NULL, body TEXT NOT NULL
);
-- What the shop itself sold: the second truth beside what Meta attributes. Nothing of who bought.
CREATE TABLE orders (
    account_id TEXT NOT NULL, order_id TEXT NOT NULL, placed_at INTEGER NOT NULL, value INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    PRIMARY KEY (account_id, order_id)
) WITHOUT ROWID;
-- What a person was asked to approve, the last question of each kind on each target.
CREATE TABLE approvals (
    account_id TEXT NOT NULL, target_id TEXT NOT NULL, kind TEXT NOT NULL, stage TEXT NOT NULL,
    amount INTEGER NOT NULL, why TEXT NOT NULL, asked_at INTEGER NOT NULL, approved_at INTEGER,
    PRIMARY KEY (account_id, target_id, kind)
) WITHOUT ROWID;
CREATE INDEX orders_by_time ON orders (account_id, placed_at);
