-- The tables of an installation. Portable SQL: SQLite and PostgreSQL run the same
-- statements, so BYTEA and BIGINT are written (SQLite takes both: a BYTEA column keeps the bytes it is
-- given), every id is chosen by us, and truth values are 0 or 1.
--
-- Times are microseconds UTC since the epoch (`…_us`), amounts integer nano-dollars (`…_nanos`).
-- `day` is days since 1970-01-01 of the local date in the organisation's zone, `hour` is hours since
-- the epoch (UTC). Monthly tables stand in month.sql.

CREATE TABLE schema_version (version INTEGER NOT NULL);

-- Which secrets go with this database, by their mark (stores/secrets.py).
CREATE TABLE installation (id INTEGER PRIMARY KEY CHECK (id = 1), secrets TEXT NOT NULL);

-- Who there is. Organisation 0, `system`, is the installation's own chain and is nobody's to see.
CREATE TABLE organization (
  id INTEGER PRIMARY KEY,
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  zone TEXT NOT NULL DEFAULT 'UTC',
  currency TEXT NOT NULL DEFAULT 'USD',
  created_us BIGINT NOT NULL
);
CREATE TABLE team (
  id INTEGER PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  UNIQUE (organization, name)
);
CREATE TABLE project (
  id INTEGER PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  team INTEGER NOT NULL REFERENCES team (id),
  name TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  credential TEXT,
  UNIQUE (team, name)
);

-- Issued keys: only the digest is kept. Labels that are not NULL are fixed on the key (verified).
CREATE TABLE virtual_key (
  id TEXT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  digest BYTEA NOT NULL UNIQUE,
  preview TEXT NOT NULL,
  name TEXT NOT NULL DEFAULT '',
  format TEXT NOT NULL,
  team TEXT, project TEXT, user_name TEXT, agent TEXT, environment TEXT, cost_center TEXT,
  prompt_key TEXT, prompt_version TEXT,
  dimensions TEXT NOT NULL DEFAULT '{}',
  credential TEXT,
  created_us BIGINT NOT NULL,
  expires_us BIGINT,
  revoked_us BIGINT,
  created_by TEXT NOT NULL DEFAULT 'cli',
  owner TEXT                                 -- the account whose key it is, where it is one person's
);
CREATE INDEX virtual_key_list ON virtual_key (organization, created_us);
CREATE INDEX virtual_key_owner ON virtual_key (organization, owner);

-- Provider credentials, sealed (stores/sealing.py). A row is never deleted: a name that is used again
-- gets the next version, so that an older seal opens nothing. Removed: both seals are empty.
CREATE TABLE credential (
  organization INTEGER NOT NULL REFERENCES organization (id),
  provider TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  origin TEXT NOT NULL,
  wrapped_key BYTEA NOT NULL,
  sealed BYTEA NOT NULL,
  set_us BIGINT NOT NULL,
  set_by TEXT NOT NULL,
  removed_us BIGINT,
  PRIMARY KEY (organization, provider, name)
);

-- Every change of the control plane raises it; a running server asks for it every 250 ms.
CREATE TABLE change_counter (id INTEGER PRIMARY KEY CHECK (id = 1), value BIGINT NOT NULL);

-- The ledger. Whoever is in a write transaction is the sequencer of every chain.
-- `head` is the leaf hash of the last entry, `frontier` the roots of the tree's perfect subtrees.
CREATE TABLE chain (
  organization INTEGER PRIMARY KEY REFERENCES organization (id),
  next_seq BIGINT NOT NULL,
  head BYTEA NOT NULL,
  frontier BYTEA NOT NULL,
  checkpoint_size BIGINT NOT NULL,
  checkpoint_us BIGINT NOT NULL
);
CREATE TABLE checkpoint (
  organization INTEGER NOT NULL REFERENCES organization (id),
  size BIGINT NOT NULL,
  at_us BIGINT NOT NULL,
  note TEXT NOT NULL,
  PRIMARY KEY (organization, size)
);

-- What entries name by number. `name` is plain text, or the salted HMAC of a private one; `content` is
-- what a DEFINE states beside it (a price row's unit, rate, source…). Each row is a chained entry too.
CREATE TABLE dictionary (
  organization INTEGER NOT NULL REFERENCES organization (id),
  kind TEXT NOT NULL,
  id INTEGER NOT NULL,
  name TEXT NOT NULL,
  content TEXT NOT NULL DEFAULT '{}',
  seq BIGINT NOT NULL,
  PRIMARY KEY (organization, kind, id),
  UNIQUE (organization, kind, name)
);
CREATE TABLE dictionary_private (
  organization INTEGER NOT NULL,
  kind TEXT NOT NULL,
  id INTEGER NOT NULL,
  salt BYTEA NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (organization, kind, id),
  UNIQUE (organization, kind, value)
);

-- Entries that must outlive every month: DEFINE, KEY and what else the control plane chains. Entries of
-- calls stand in entry_YYYYMM. `body` is the entry's canonical bytes, packed (packing.py), without
-- `prev`, which is the `leaf` of the entry before.
CREATE TABLE entry_standing (
  organization INTEGER NOT NULL,
  seq BIGINT NOT NULL,
  body BYTEA NOT NULL,
  leaf BYTEA NOT NULL,
  PRIMARY KEY (organization, seq)
);
CREATE TABLE journal_month (month INTEGER PRIMARY KEY, created_us BIGINT NOT NULL, pruned_us BIGINT);

-- Attempts whose admission is chained and whose settlement is still to come. `instance`: whose settlement it will be, save of jobs;
-- `draws`: what it holds on budgets.
CREATE TABLE open_attempt (
  request_id BYTEA NOT NULL,
  attempt INTEGER NOT NULL,
  organization INTEGER NOT NULL,
  seq BIGINT NOT NULL,
  month INTEGER NOT NULL,
  instance TEXT NOT NULL,
  deferred INTEGER NOT NULL,
  admitted_us BIGINT NOT NULL,
  hold_nanos BIGINT NOT NULL,
  draws BYTEA NOT NULL,
  PRIMARY KEY (request_id, attempt)
);

-- Attempts that were settled at their hold when their instance was written off. Should its spool turn up, what they cost is
-- posted as an adjustment.
CREATE TABLE written_off_attempt (
  request_id BYTEA NOT NULL,
  attempt INTEGER NOT NULL,
  organization INTEGER NOT NULL,
  PRIMARY KEY (request_id, attempt)
);

-- Which later entries speak of an earlier one: the settlement of an attempt that was chained open, and the
-- adjustments of any.
CREATE TABLE later_entry (
  organization INTEGER NOT NULL,
  ref BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (organization, ref, seq)
);

-- Refusals of one minute, so that a flood becomes one entry instead of thousands.
CREATE TABLE refusal_minute (
  organization INTEGER NOT NULL,
  key_name TEXT NOT NULL,
  code TEXT NOT NULL,
  minute BIGINT NOT NULL,
  entered INTEGER NOT NULL,
  counted BIGINT NOT NULL,
  PRIMARY KEY (organization, key_name, code, minute)
);

-- How far a spool is shipped: all before `low` for good; between `low` and `high` every record has been
-- read, and what is not in the ledger yet are admissions that wait for their settlement.
CREATE TABLE spool_cursor (
  instance TEXT PRIMARY KEY,
  low_segment BIGINT NOT NULL, low_offset BIGINT NOT NULL,
  high_segment BIGINT NOT NULL, high_offset BIGINT NOT NULL,
  records BIGINT NOT NULL
);

-- What providers keep for callers, by peppered digest: whose it is, and for a job whose cost is still to
-- come the admission it will be settled on.
CREATE TABLE upstream_object (
  mark BYTEA PRIMARY KEY,
  organization INTEGER NOT NULL,
  owner TEXT NOT NULL,
  request_id TEXT NOT NULL,
  admission BYTEA,
  made_us BIGINT NOT NULL
);
CREATE INDEX upstream_object_open ON upstream_object (request_id) WHERE admission IS NOT NULL;
