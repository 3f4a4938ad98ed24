-- One month of the ledger, so that a month can be dropped whole. {month} is YYYYMM, the month of the
-- admission's day in the organisation's zone. Columns `…_id` are ids of the dictionary, 0 = none.
-- `kind`, `outcome`, `method` and `basis` are the codes of core/entry.py; `flags` its bits. `cost_nanos`
-- and its like are projections of the entry; `verify` compares every one. `cost_nanos` is what the attempt costs
-- now, `adjusted_nanos` the part of it that later ADJUST entries posted: their difference is what was booked;
-- `off_list_nanos` is how much more that would have been at list prices. `worst_tokens` is the bound in tokens of an attempt
-- that ended without stated usage, at its worst case: budgets in tokens count it, usage does not.
CREATE TABLE entry_{month} (
  organization INTEGER NOT NULL,
  seq BIGINT NOT NULL,
  body BYTEA NOT NULL,
  leaf BYTEA NOT NULL,
  PRIMARY KEY (organization, seq)
);
CREATE TABLE call_fact_{month} (
  organization INTEGER NOT NULL,
  at_us BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  kind SMALLINT NOT NULL,
  day INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  request_id BYTEA NOT NULL,
  attempt SMALLINT NOT NULL,
  key_id INTEGER NOT NULL, team_id INTEGER NOT NULL, project_id INTEGER NOT NULL, user_id INTEGER NOT NULL,
  agent_id INTEGER NOT NULL, environment_id INTEGER NOT NULL, cost_center_id INTEGER NOT NULL,
  prompt_key_id INTEGER NOT NULL, prompt_version_id INTEGER NOT NULL, session_id INTEGER NOT NULL,
  tags_id INTEGER NOT NULL, dimensions_id INTEGER NOT NULL,
  provider_id INTEGER NOT NULL, operation_id INTEGER NOT NULL, model_id INTEGER NOT NULL, served_id INTEGER NOT NULL,
  status INTEGER NOT NULL,
  outcome SMALLINT NOT NULL, method SMALLINT NOT NULL, basis SMALLINT NOT NULL,
  input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cached_tokens BIGINT NOT NULL, reasoning_tokens BIGINT NOT NULL,
  worst_tokens BIGINT NOT NULL,
  cost_nanos BIGINT NOT NULL, upstream_nanos BIGINT NOT NULL, would_be_nanos BIGINT NOT NULL, adjusted_nanos BIGINT NOT NULL, off_list_nanos BIGINT NOT NULL,
  latency_us BIGINT NOT NULL, first_byte_us BIGINT NOT NULL,
  flags INTEGER NOT NULL,
  code_id INTEGER NOT NULL,
  PRIMARY KEY (organization, at_us, seq)
) {clustered};
CREATE INDEX call_fact_{month}_request ON call_fact_{month} (request_id);
