-- How stored credentials stand, as the calls of each process show it (core/credential_health.py). Nothing of it is in the
-- ledger: it may be lost, and calls find it out again. Organisations by their slug; `model` '' is every model.
CREATE TABLE credential_health (
  organization TEXT NOT NULL,
  provider TEXT NOT NULL,
  name TEXT NOT NULL,
  instance TEXT NOT NULL,
  successes BIGINT NOT NULL,
  failures BIGINT NOT NULL,
  in_a_row BIGINT NOT NULL,
  success_us BIGINT,
  failure_us BIGINT,
  failure_status INTEGER NOT NULL,
  failure TEXT,
  written_us BIGINT NOT NULL,
  PRIMARY KEY (organization, provider, name, instance)
);
CREATE TABLE credential_cooling (
  organization TEXT NOT NULL,
  provider TEXT NOT NULL,
  name TEXT NOT NULL,
  model TEXT NOT NULL,
  why TEXT NOT NULL,
  since_us BIGINT NOT NULL,
  until_us BIGINT NOT NULL,
  stated INTEGER NOT NULL,
  PRIMARY KEY (organization, provider, name, model)
);
CREATE INDEX credential_cooling_until ON credential_cooling (until_us);
