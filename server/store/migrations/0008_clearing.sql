-- The user deactivates the sync and wants what Tandem made in the mailbox taken out of it before: not done yet.

ALTER TABLE connections ADD COLUMN clearing BIGINT NOT NULL DEFAULT 0;
