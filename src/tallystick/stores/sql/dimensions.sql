-- What an organisation says of the dimensions that it books calls by: its own (`dimension:region`) and the built-in ones
-- (`cost_center`), as policies name them. What must be named, and which values may be, are policies.
CREATE TABLE IF NOT EXISTS dimension_note (
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  set_us BIGINT NOT NULL,
  set_by TEXT NOT NULL,
  PRIMARY KEY (organization, name)
);
