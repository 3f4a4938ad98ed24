-- Alerts, the channels they go out by, and what became of each sending.

-- One row for each crossing: a thread's mark is there once, whoever sees it first. What concerns a budget says of which
-- node and share it speaks and under how many changes of the cap; an alert is open until it is resolved. `scopes`: a JSON
-- list of whose it is. Acknowledged: somebody has said that they see to it.
CREATE TABLE alert (
  id BIGINT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  kind TEXT NOT NULL,
  thread TEXT NOT NULL,
  mark TEXT NOT NULL,
  severity TEXT NOT NULL,
  title TEXT NOT NULL,
  text TEXT NOT NULL,
  facts TEXT NOT NULL,
  path TEXT NOT NULL,
  at_us BIGINT NOT NULL,
  budget BIGINT,
  subject TEXT,
  start_us BIGINT,
  percent INTEGER,
  cap_version BIGINT,
  resolved_us BIGINT,
  resolution TEXT NOT NULL DEFAULT '',
  scopes TEXT NOT NULL DEFAULT '[]',
  acknowledged_us BIGINT,
  acknowledged_by TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  UNIQUE (organization, thread, mark)
);
CREATE INDEX alert_open ON alert (resolved_us, kind);
CREATE INDEX alert_of_node ON alert (budget, start_us, subject);

-- Budgets whose thresholds are not the usual ones: percents in rising order, empty for none.
CREATE TABLE alert_threshold (
  budget BIGINT PRIMARY KEY REFERENCES budget (id),
  percents TEXT NOT NULL,
  set_us BIGINT NOT NULL,
  set_by TEXT NOT NULL
);

-- A channel's address, tokens and signing keys are sealed together (stores/sealing.py); `origin` is all of them that is
-- shown. `settings` is JSON without secrets; `kinds` and `scopes` empty mean all. Removed: the seals are empty.
CREATE TABLE alert_channel (
  id TEXT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  origin TEXT NOT NULL,
  settings TEXT NOT NULL,
  wrapped_key BYTEA NOT NULL,
  sealed BYTEA NOT NULL,
  version INTEGER NOT NULL,
  kinds TEXT NOT NULL DEFAULT '',
  severity TEXT NOT NULL DEFAULT 'info',
  quiet TEXT NOT NULL DEFAULT '',
  zone TEXT NOT NULL DEFAULT 'UTC',
  breaks TEXT NOT NULL DEFAULT 'critical',
  scopes TEXT NOT NULL DEFAULT '',
  set_us BIGINT NOT NULL,
  set_by TEXT NOT NULL,
  removed_us BIGINT,
  UNIQUE (organization, name)
);

-- The outbox: one row for each thing that one channel is to say. `tries` counts since it was last put out, `attempts`
-- ever. Who claims a row raises both, and only the newest attempt may say how it went.
CREATE TABLE alert_delivery (
  id BIGINT PRIMARY KEY,
  alert BIGINT NOT NULL REFERENCES alert (id),
  channel TEXT NOT NULL REFERENCES alert_channel (id),
  event TEXT NOT NULL,
  message_id TEXT NOT NULL,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0,
  next_us BIGINT NOT NULL,
  claimed_until_us BIGINT NOT NULL DEFAULT 0,
  made_us BIGINT NOT NULL,
  done_us BIGINT,
  UNIQUE (alert, channel, event)
);
CREATE INDEX alert_delivery_due ON alert_delivery (state, next_us);
CREATE INDEX alert_delivery_channel ON alert_delivery (channel, id);

CREATE TABLE alert_attempt (
  delivery BIGINT NOT NULL REFERENCES alert_delivery (id),
  number INTEGER NOT NULL,
  at_us BIGINT NOT NULL,
  result TEXT NOT NULL,
  status INTEGER NOT NULL,
  said TEXT NOT NULL,
  took_us BIGINT NOT NULL,
  PRIMARY KEY (delivery, number)
);

-- The ticket that a channel keeps for a thread.
CREATE TABLE alert_ticket (
  channel TEXT NOT NULL,
  thread TEXT NOT NULL,
  ticket TEXT NOT NULL,
  PRIMARY KEY (channel, thread)
);

-- For a while nothing is said of a thread, of a kind or of a budget, whichever are named; what is over by then is not said
-- at all. One that was ended early ends then.
CREATE TABLE alert_mute (
  id BIGINT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  thread TEXT NOT NULL,
  kind TEXT NOT NULL,
  budget BIGINT,
  until_us BIGINT NOT NULL,
  reason TEXT NOT NULL,
  made_us BIGINT NOT NULL,
  made_by TEXT NOT NULL
);
CREATE INDEX alert_mute_until ON alert_mute (organization, until_us);

-- How far the walk round each chain has come (alerts_ledger.py): the next entry, the hash before it and the tree so far;
-- when this round began, and whether it has found nothing yet.
CREATE TABLE alert_ledger (
  organization INTEGER PRIMARY KEY REFERENCES organization (id),
  next_seq BIGINT NOT NULL,
  leaf BYTEA NOT NULL,
  frontier BYTEA NOT NULL,
  began_us BIGINT NOT NULL,
  sound INTEGER NOT NULL,
  looked_us BIGINT NOT NULL
);

-- How far the look at past calls has come (alerts_sweep.py).
CREATE TABLE alert_watermark (name TEXT PRIMARY KEY, at_us BIGINT NOT NULL);

-- The sweep looks at the windows that run, and at no others.
CREATE INDEX budget_node_live ON budget_node (end_us);
