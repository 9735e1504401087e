-- Every signature that came with a policy's bytes: clients trust different keys, and none may take another's away.
CREATE TABLE policy_signatures (
    digest TEXT NOT NULL, signature TEXT NOT NULL,
    PRIMARY KEY (digest, signature)
);
INSERT OR IGNORE INTO policy_signatures SELECT digest, signature FROM policies WHERE signature IS NOT NULL;
INSERT OR IGNORE INTO policy_signatures SELECT digest, signature FROM policy_uses WHERE signature IS NOT NULL;
ALTER TABLE policies DROP COLUMN signature;
ALTER TABLE policy_uses DROP COLUMN signature;
