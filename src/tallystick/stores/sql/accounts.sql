-- People, and what they are in which organisation. An account is the installation's: its address and password
-- are its own, whatever organisations it belongs to. Teams are those a manager answers for and a member makes
-- keys in. Each membership is a chained MEMBER entry too; addresses stand in no entry.

CREATE TABLE account (
  id TEXT PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  disabled_us BIGINT
);
CREATE TABLE membership (
  account TEXT NOT NULL REFERENCES account (id),
  organization INTEGER NOT NULL REFERENCES organization (id),
  role TEXT NOT NULL,
  joined_us BIGINT NOT NULL,
  PRIMARY KEY (account, organization)
);
CREATE INDEX membership_list ON membership (organization, joined_us);
CREATE TABLE membership_team (
  account TEXT NOT NULL,
  organization INTEGER NOT NULL,
  team TEXT NOT NULL,
  PRIMARY KEY (account, organization, team),
  FOREIGN KEY (account, organization) REFERENCES membership (account, organization)
);
