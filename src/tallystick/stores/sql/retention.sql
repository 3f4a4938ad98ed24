-- Months whose rows were dropped, and what stays of them (pruning.py). Nothing here is needed by a call.

-- While there is a row, no month of the installation is pruned: months are shared by its organisations.
CREATE TABLE IF NOT EXISTS legal_hold (
  organization INTEGER PRIMARY KEY REFERENCES organization (id),
  reason TEXT NOT NULL,
  made_us BIGINT NOT NULL,
  made_by TEXT NOT NULL
);
-- The month on its way out, and how far that has come: `stage` is a place in pruning.STAGES, `organization` and `place` where
-- within it; `proved`: of that organisation, the rows that agree with their entries. `fault`: why it stopped; then nothing is frozen, and a later run begins anew.
CREATE TABLE IF NOT EXISTS pruning (
  month INTEGER PRIMARY KEY,
  stage INTEGER NOT NULL,
  organization INTEGER NOT NULL,
  place BIGINT NOT NULL,
  proved BIGINT NOT NULL,
  began_us BIGINT NOT NULL,
  fault TEXT NOT NULL
);
-- The leaf hashes of entries whose bodies are gone: of entries with numbers one behind the other, 32 bytes each.
CREATE TABLE IF NOT EXISTS leaf_run (
  organization INTEGER NOT NULL,
  first_seq BIGINT NOT NULL,
  month INTEGER NOT NULL,
  leaves BYTEA NOT NULL,
  PRIMARY KEY (organization, first_seq)
);
-- Where an organisation's month is sealed: its CHECKPOINT entry, and between which moments its calls were admitted.
CREATE TABLE IF NOT EXISTS month_seal (
  organization INTEGER NOT NULL,
  month INTEGER NOT NULL,
  seq BIGINT NOT NULL,
  first_us BIGINT NOT NULL,
  last_us BIGINT NOT NULL,
  PRIMARY KEY (organization, month)
);
-- What a month's calls count on budgets, by every kind of scope (spending.py), for windows that have the whole month in them.
CREATE TABLE IF NOT EXISTS month_spend (
  organization INTEGER NOT NULL,
  month INTEGER NOT NULL,
  kind TEXT NOT NULL,
  number INTEGER NOT NULL,
  other INTEGER NOT NULL,
  dollars BIGINT NOT NULL, nanos BIGINT NOT NULL, tokens BIGINT NOT NULL, calls BIGINT NOT NULL,
  PRIMARY KEY (organization, month, kind, number, other)
);
