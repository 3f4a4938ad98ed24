-- What people keep of the console: a screen with its filters, under a name. Nothing of money or rights hangs on a view, so the
-- ledger does not know of them.
CREATE TABLE saved_view (
  id TEXT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  account TEXT NOT NULL REFERENCES account (id),
  screen TEXT NOT NULL,
  name TEXT NOT NULL,
  state TEXT NOT NULL,                       -- the query part of the screen's address
  shared INTEGER NOT NULL,
  standard INTEGER NOT NULL,                 -- what its owner's screen opens with
  changed_us BIGINT NOT NULL,
  UNIQUE (organization, account, screen, name)
);
