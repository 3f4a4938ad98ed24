-- Envelopes: money that Finance grants to a scope for a time. Requested, then signed or declined. What is granted is the
-- budget that it became (amount, begin and end stand there); `signed_seq` and `signed_hash` name its CAP entry.
CREATE TABLE envelope (
  id BIGINT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  kind TEXT NOT NULL,
  value TEXT NOT NULL DEFAULT '',
  amount BIGINT NOT NULL,                    -- asked for, as `limit_text` in its own currency beside it
  asked TEXT NOT NULL,
  starts_us BIGINT NOT NULL,
  ends_us BIGINT NOT NULL,
  owner TEXT NOT NULL DEFAULT '',
  purpose TEXT NOT NULL,
  evidence TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL,
  requested_us BIGINT NOT NULL,
  requested_by TEXT NOT NULL,
  decided_us BIGINT,
  decided_by TEXT,
  comment TEXT NOT NULL DEFAULT '',
  budget BIGINT,
  parent BIGINT,
  signed_seq BIGINT,
  signed_hash TEXT,
  fallback BIGINT                            -- the policy that sends calls to cheaper models when it gets short
);
CREATE INDEX envelope_list ON envelope (organization, id);

-- What was moved between allocations: each transfer's legs sum to zero.
CREATE TABLE envelope_leg (
  organization INTEGER NOT NULL,
  transfer BIGINT NOT NULL,
  envelope BIGINT NOT NULL,
  delta BIGINT NOT NULL,
  PRIMARY KEY (organization, transfer, envelope)
);

-- Scopes that may spend only while they have an envelope: `budget` is a cap of nothing for all other time.
CREATE TABLE envelope_required (
  organization INTEGER NOT NULL,
  kind TEXT NOT NULL,
  value TEXT NOT NULL,
  budget BIGINT NOT NULL,
  PRIMARY KEY (organization, kind, value)
);
