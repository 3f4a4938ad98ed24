-- What calls come to, by hour and by day (rollups.py): projections of the narrow rows, written by the transaction that
-- writes those. `verify` derives them again, `tallystick rollups rebuild` writes them anew. A cell that no call is in has no row.
-- An amount is so many whole dollars and the nanos beyond them, each call's two parts added up apart: no sum is too large.
-- `latency_…`: how many settled attempts took at most 25 ms, 50 ms, 100 ms … 204.8 s; the last one, how many took longer.
--
-- The cube by hour. `hour` is of UTC and `day` the organisation's; where they cross, an hour stands in two days.
CREATE TABLE rollup_hour (
  organization INTEGER NOT NULL, day INTEGER NOT NULL, hour INTEGER NOT NULL, kind SMALLINT NOT NULL,
  key_id INTEGER NOT NULL, team_id INTEGER NOT NULL, project_id INTEGER NOT NULL, environment_id INTEGER NOT NULL,
  provider_id INTEGER NOT NULL, operation_id INTEGER NOT NULL, model_id INTEGER NOT NULL, served_id INTEGER NOT NULL,
  outcome SMALLINT NOT NULL, status_class SMALLINT NOT NULL,
  requests BIGINT NOT NULL, attempts BIGINT NOT NULL, errors BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cached_tokens BIGINT NOT NULL, reasoning_tokens BIGINT NOT NULL,
  cost_dollars BIGINT NOT NULL, upstream_dollars BIGINT NOT NULL, would_be_dollars BIGINT NOT NULL, adjusted_dollars BIGINT NOT NULL,
  off_list_dollars BIGINT NOT NULL, cost_nanos BIGINT NOT NULL, upstream_nanos BIGINT NOT NULL, would_be_nanos BIGINT NOT NULL,
  adjusted_nanos BIGINT NOT NULL, off_list_nanos BIGINT NOT NULL, latency_us BIGINT NOT NULL,
  latency_0 INTEGER NOT NULL, latency_1 INTEGER NOT NULL, latency_2 INTEGER NOT NULL, latency_3 INTEGER NOT NULL,
  latency_4 INTEGER NOT NULL, latency_5 INTEGER NOT NULL, latency_6 INTEGER NOT NULL, latency_7 INTEGER NOT NULL,
  latency_8 INTEGER NOT NULL, latency_9 INTEGER NOT NULL, latency_10 INTEGER NOT NULL, latency_11 INTEGER NOT NULL,
  latency_12 INTEGER NOT NULL, latency_13 INTEGER NOT NULL, latency_14 INTEGER NOT NULL,
  PRIMARY KEY (organization, day, hour, kind, key_id, team_id, project_id, environment_id, provider_id, operation_id,
               model_id, served_id, outcome, status_class)
) {clustered};
-- The same by day: what a month is read from.
CREATE TABLE rollup_cube (
  organization INTEGER NOT NULL, day INTEGER NOT NULL, kind SMALLINT NOT NULL,
  key_id INTEGER NOT NULL, team_id INTEGER NOT NULL, project_id INTEGER NOT NULL, environment_id INTEGER NOT NULL,
  provider_id INTEGER NOT NULL, operation_id INTEGER NOT NULL, model_id INTEGER NOT NULL, served_id INTEGER NOT NULL,
  outcome SMALLINT NOT NULL, status_class SMALLINT NOT NULL,
  requests BIGINT NOT NULL, attempts BIGINT NOT NULL, errors BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cached_tokens BIGINT NOT NULL, reasoning_tokens BIGINT NOT NULL,
  cost_dollars BIGINT NOT NULL, upstream_dollars BIGINT NOT NULL, would_be_dollars BIGINT NOT NULL, adjusted_dollars BIGINT NOT NULL,
  off_list_dollars BIGINT NOT NULL, cost_nanos BIGINT NOT NULL, upstream_nanos BIGINT NOT NULL, would_be_nanos BIGINT NOT NULL,
  adjusted_nanos BIGINT NOT NULL, off_list_nanos BIGINT NOT NULL, latency_us BIGINT NOT NULL,
  latency_0 INTEGER NOT NULL, latency_1 INTEGER NOT NULL, latency_2 INTEGER NOT NULL, latency_3 INTEGER NOT NULL,
  latency_4 INTEGER NOT NULL, latency_5 INTEGER NOT NULL, latency_6 INTEGER NOT NULL, latency_7 INTEGER NOT NULL,
  latency_8 INTEGER NOT NULL, latency_9 INTEGER NOT NULL, latency_10 INTEGER NOT NULL, latency_11 INTEGER NOT NULL,
  latency_12 INTEGER NOT NULL, latency_13 INTEGER NOT NULL, latency_14 INTEGER NOT NULL,
  PRIMARY KEY (organization, day, kind, key_id, team_id, project_id, environment_id, provider_id, operation_id,
               model_id, served_id, outcome, status_class)
) {clustered};
-- One dimension at a time. `dimension` is a place in rollups.DIMENSIONS, `value` an id of the dictionary, 0 = none.
-- `part` is the prompt's version; other dimensions have none.
CREATE TABLE rollup_day (
  organization INTEGER NOT NULL, dimension SMALLINT NOT NULL, day INTEGER NOT NULL,
  value INTEGER NOT NULL, part INTEGER NOT NULL, kind SMALLINT NOT NULL,
  requests BIGINT NOT NULL, attempts BIGINT NOT NULL, errors BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL, output_tokens BIGINT NOT NULL, cached_tokens BIGINT NOT NULL, reasoning_tokens BIGINT NOT NULL,
  cost_dollars BIGINT NOT NULL, upstream_dollars BIGINT NOT NULL, would_be_dollars BIGINT NOT NULL, adjusted_dollars BIGINT NOT NULL,
  off_list_dollars BIGINT NOT NULL, cost_nanos BIGINT NOT NULL, upstream_nanos BIGINT NOT NULL, would_be_nanos BIGINT NOT NULL,
  adjusted_nanos BIGINT NOT NULL, off_list_nanos BIGINT NOT NULL, latency_us BIGINT NOT NULL,
  latency_0 INTEGER NOT NULL, latency_1 INTEGER NOT NULL, latency_2 INTEGER NOT NULL, latency_3 INTEGER NOT NULL,
  latency_4 INTEGER NOT NULL, latency_5 INTEGER NOT NULL, latency_6 INTEGER NOT NULL, latency_7 INTEGER NOT NULL,
  latency_8 INTEGER NOT NULL, latency_9 INTEGER NOT NULL, latency_10 INTEGER NOT NULL, latency_11 INTEGER NOT NULL,
  latency_12 INTEGER NOT NULL, latency_13 INTEGER NOT NULL, latency_14 INTEGER NOT NULL,
  PRIMARY KEY (organization, dimension, day, value, part, kind)
) {clustered};
