-- What somebody asked for and another must approve: prices and corrections of costs. `content` is what was asked, JSON.
-- What comes of it is a chained entry that names both; `state` is open, approved or declined.
CREATE TABLE proposal (
  organization INTEGER NOT NULL REFERENCES organization (id),
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  content TEXT NOT NULL,
  proposed_us BIGINT NOT NULL,
  proposed_by TEXT NOT NULL,
  state TEXT NOT NULL,
  decided_us BIGINT,
  decided_by TEXT,
  PRIMARY KEY (organization, id)
);
CREATE INDEX proposal_list ON proposal (organization, proposed_us);
