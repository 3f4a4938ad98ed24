-- Keys that were asked for together under a mark of the caller's, so that who asks again makes no second set. `said`: the
-- SHA-256 of what was asked for; `keys`: the ids of what was made, as JSON.
CREATE TABLE key_set (
  organization INTEGER NOT NULL REFERENCES organization (id),
  made_by TEXT NOT NULL,
  mark TEXT NOT NULL,
  said TEXT NOT NULL,
  keys TEXT NOT NULL,
  made_us BIGINT NOT NULL,
  PRIMARY KEY (organization, made_by, mark)
);
