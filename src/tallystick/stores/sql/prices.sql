-- Prices that are data: what an organisation agreed, and what was read from feeds after the package was made.
-- Each change is a chained PRICE entry too, with which `verify` compares these rows (verify_prices.py).

-- `terms` is what the override says (core/price_overrides.py), JSON. A row is never edited: `valid_to` is where
-- it was ended, by whom and when.
CREATE TABLE IF NOT EXISTS price_override (
  organization INTEGER NOT NULL REFERENCES organization (id),
  id TEXT NOT NULL,
  terms TEXT NOT NULL,
  set_us BIGINT NOT NULL,
  proposed_by TEXT NOT NULL,
  approved_by TEXT NOT NULL,
  valid_to TEXT,
  ended_us BIGINT,
  ended_by TEXT,
  PRIMARY KEY (organization, id)
);

-- A release is what one reading of a feed brought, a row for each provider, of the installation, not of an
-- organisation. `lines` is the part of a price file that was news; `state` is pending, applied or rejected.
CREATE TABLE IF NOT EXISTS price_release (
  id TEXT NOT NULL,
  provider TEXT NOT NULL,
  source TEXT NOT NULL,
  digest TEXT NOT NULL,
  checked_on TEXT NOT NULL,
  lines TEXT NOT NULL,
  state TEXT NOT NULL,
  read_us BIGINT NOT NULL,
  read_by TEXT NOT NULL,
  decided_us BIGINT,
  decided_by TEXT,
  PRIMARY KEY (id, provider)
);
