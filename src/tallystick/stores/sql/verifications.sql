-- Verifications that somebody asked for: one process reads the chain, another's console may ask how it goes. `state` is running,
-- sound, wrong, cannot (judge) or cancelled; `found` what came of it, JSON. Who runs one says so every few seconds (`seen_us`).
CREATE TABLE IF NOT EXISTS ledger_verification (
  id TEXT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  state TEXT NOT NULL,
  started_us BIGINT NOT NULL,
  started_by TEXT NOT NULL,
  seen_us BIGINT NOT NULL,
  done BIGINT NOT NULL,
  total BIGINT NOT NULL,
  ended_us BIGINT,
  found TEXT
);
CREATE INDEX IF NOT EXISTS ledger_verification_list ON ledger_verification (organization, started_us);
