-- How people prove who they are: sessions of browsers, second factors, invitations, personal access tokens, and how
-- often a login failed. Secrets stand here as keyed hashes or sealed; addresses of people only where somebody invited
-- them, addresses of machines nowhere.

CREATE TABLE IF NOT EXISTS session (
  id TEXT PRIMARY KEY,
  digest BYTEA NOT NULL UNIQUE,
  digest_before BYTEA,                       -- of the cookie it had until `rotated_us`, for requests under way
  rotated_us BIGINT NOT NULL,
  account TEXT NOT NULL REFERENCES account (id),
  organization INTEGER NOT NULL REFERENCES organization (id),
  role TEXT NOT NULL,                        -- as of the cookie; another one now gets another cookie
  agent TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  seen_us BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS session_before ON session (digest_before);
CREATE INDEX IF NOT EXISTS session_list ON session (account, created_us);
CREATE TABLE IF NOT EXISTS login_generation (
  account TEXT PRIMARY KEY REFERENCES account (id),
  number BIGINT NOT NULL                     -- what a login token says too, as long as it opens anything
);
CREATE TABLE IF NOT EXISTS login_failure (
  name BYTEA PRIMARY KEY,                    -- a keyed hash of what was typed as an address, known or not
  count INTEGER NOT NULL,
  last_us BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS login_failure_age ON login_failure (last_us);
CREATE TABLE IF NOT EXISTS login_failure_minute (
  minute BIGINT PRIMARY KEY,
  entered INTEGER NOT NULL,
  counted INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS second_factor (
  account TEXT PRIMARY KEY REFERENCES account (id),
  version BIGINT NOT NULL,
  wrapped_key BYTEA NOT NULL,
  sealed BYTEA NOT NULL,
  confirmed_us BIGINT,                       -- none yet: nothing is asked for
  last_step BIGINT NOT NULL                  -- of the last code that was taken: none of it or before is taken again
);
CREATE TABLE IF NOT EXISTS recovery_code (
  account TEXT NOT NULL REFERENCES account (id),
  digest BYTEA NOT NULL,
  PRIMARY KEY (account, digest)              -- a used one has no row
);
CREATE TABLE IF NOT EXISTS sign_in_rule (
  organization INTEGER PRIMARY KEY REFERENCES organization (id),
  second_factor INTEGER NOT NULL             -- asked of every member
);
CREATE TABLE IF NOT EXISTS personal_token (
  id TEXT PRIMARY KEY,
  digest BYTEA NOT NULL UNIQUE,
  account TEXT NOT NULL REFERENCES account (id),
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  preview TEXT NOT NULL,
  scopes TEXT NOT NULL,                      -- words with spaces between
  created_us BIGINT NOT NULL,
  expires_us BIGINT NOT NULL,
  revoked_us BIGINT
);
CREATE INDEX IF NOT EXISTS personal_token_list ON personal_token (organization, created_us);
CREATE TABLE IF NOT EXISTS invitation (
  id TEXT PRIMARY KEY,
  digest BYTEA NOT NULL UNIQUE,
  organization INTEGER NOT NULL REFERENCES organization (id),
  email TEXT NOT NULL,
  role TEXT NOT NULL,
  invited_by TEXT NOT NULL,                  -- an account, or `cli`
  created_us BIGINT NOT NULL,
  expires_us BIGINT NOT NULL,
  accepted_us BIGINT,
  revoked_us BIGINT
);
CREATE INDEX IF NOT EXISTS invitation_list ON invitation (organization, created_us);
CREATE TABLE IF NOT EXISTS invitation_team (
  invitation TEXT NOT NULL REFERENCES invitation (id),
  team TEXT NOT NULL,
  PRIMARY KEY (invitation, team)
);
