-- Creatives that wait to be launched, and what became of them.
CREATE TABLE creative_queue (
    queue_id TEXT PRIMARY KEY, account_id TEXT NOT NULL, name TEXT NOT NULL, spec TEXT NOT NULL, state TEXT NOT NULL,
    added_at INTEGER NOT NULL, step_at INTEGER NOT NULL, image_hash TEXT, video_id TEXT, creative_id TEXT, ad_id TEXT,
    reason TEXT, seq INTEGER NOT NULL
);
CREATE INDEX creative_queue_by_account ON creative_queue (account_id, added_at);
