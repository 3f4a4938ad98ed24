-- Budgets, and what is counted against them. Amounts are in the budget's unit: nano-USD, tokens or calls.

-- `kind` and `value` are the scope, `span` the window as core/windows.py reads it. What was set in another
-- currency stands beside as it was set, with the rate that turned it into `amount`.
CREATE TABLE budget (
  id BIGINT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL,
  value TEXT NOT NULL DEFAULT '',
  span TEXT NOT NULL,
  zone TEXT NOT NULL,
  unit TEXT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL DEFAULT 'USD',
  currency_nanos BIGINT,
  rate TEXT,
  mode TEXT NOT NULL,
  on_exceed TEXT NOT NULL DEFAULT 'reject',
  starts_us BIGINT NOT NULL,
  ends_us BIGINT,
  owner TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  version INTEGER NOT NULL,
  created_us BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  removed_us BIGINT
);
CREATE INDEX budget_list ON budget (organization, id);

-- More for a while: added to the limit until it ends.
CREATE TABLE budget_raise (
  budget BIGINT NOT NULL REFERENCES budget (id),
  number INTEGER NOT NULL,
  amount BIGINT NOT NULL,
  until_us BIGINT NOT NULL,
  reason TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (budget, number)
);

-- One budget for one subject in one window. `settled` is a projection of the ledger; `leased` is what
-- instances may still spend, the sum of the rows in budget_lease. `wanted_us`: when a call last lacked what
-- others have leased; they give back what they do not use.
CREATE TABLE budget_node (
  budget BIGINT NOT NULL,
  subject TEXT NOT NULL,
  start_us BIGINT NOT NULL,
  end_us BIGINT NOT NULL,
  settled BIGINT NOT NULL,
  leased BIGINT NOT NULL,
  wanted_us BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (budget, subject, start_us)
);

-- Who has leased what. Leases never expire. The holder `deferred` keeps what jobs hold whose cost is still
-- to come: it belongs to no instance.
CREATE TABLE budget_lease (
  holder TEXT NOT NULL,
  budget BIGINT NOT NULL,
  subject TEXT NOT NULL,
  start_us BIGINT NOT NULL,
  amount BIGINT NOT NULL,
  PRIMARY KEY (holder, budget, subject, start_us)
);

-- The running gateways: one row for each spool. A start raises `epoch`, and whoever still speaks with an
-- earlier one is refused. `acknowledged`: the change counter up to which it follows the control plane.
CREATE TABLE instance (
  id TEXT PRIMARY KEY,
  epoch BIGINT NOT NULL,
  started_us BIGINT NOT NULL,
  seen_us BIGINT NOT NULL,
  acknowledged BIGINT NOT NULL,
  staleness_us BIGINT NOT NULL DEFAULT 15000000,         -- not seen for so long it lets no governed call through
  stopped_us BIGINT,
  written_off_us BIGINT,                     -- gone for good: what it had leased stays drawn, and it is fenced
  released_us BIGINT                         -- that was freed after all; what its spool still brings releases nothing
);
