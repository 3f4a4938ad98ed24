-- What is known of people beside who they are: when each was last here, the links by which who lost a password sets another,
-- and how long an organisation lets a session last. Links stand here as keyed hashes.

CREATE TABLE IF NOT EXISTS last_seen (
  account TEXT NOT NULL REFERENCES account (id),
  organization INTEGER NOT NULL REFERENCES organization (id),
  seen_us BIGINT NOT NULL,                   -- to the minute: of a session or a login, not of a token
  PRIMARY KEY (account, organization)
);
CREATE TABLE IF NOT EXISTS password_reset (
  account TEXT PRIMARY KEY REFERENCES account (id),
  digest BYTEA NOT NULL UNIQUE,
  asked_us BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS session_rule (
  organization INTEGER PRIMARY KEY REFERENCES organization (id),
  lifetime_s BIGINT NOT NULL                 -- 0: as long as the installation lets sessions last
);
