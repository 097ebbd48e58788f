-- The organisation's brake: 1 where the connection's plan stopped it, 2 once an administrator let that plan through.
ALTER TABLE connections ADD COLUMN org_pass BIGINT NOT NULL DEFAULT 0;
