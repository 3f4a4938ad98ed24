-- Policies, each version of them, and the bypasses of them.

-- One row for each version; the one that stands has no `until_us`. `on_kind` and `on_value` are the scope, as a budget's;
-- `parameters` is JSON. `removed`: the version ended because the policy was removed, not because another took over.
CREATE TABLE policy_version (
  id BIGINT NOT NULL,
  version INTEGER NOT NULL,
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL,
  on_kind TEXT NOT NULL,
  on_value TEXT NOT NULL DEFAULT '',
  parameters TEXT NOT NULL,
  mode TEXT NOT NULL,
  starts_us BIGINT NOT NULL,
  ends_us BIGINT,
  owner TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  made_us BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  until_us BIGINT,
  removed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (id, version)
);
CREATE INDEX policy_list ON policy_version (organization, id, version);

-- Broken glass: until a moment a policy (0: every one but kill switches) does nothing to calls in the scope.
CREATE TABLE policy_bypass (
  id BIGINT PRIMARY KEY,
  organization INTEGER NOT NULL REFERENCES organization (id),
  policy BIGINT NOT NULL,
  on_kind TEXT NOT NULL,
  on_value TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL,
  until_us BIGINT NOT NULL,
  made_us BIGINT NOT NULL,
  made_by TEXT NOT NULL
);
CREATE INDEX policy_bypass_list ON policy_bypass (organization, id);

-- Among whom a running gateway shares limits on calls at once, as it has said last: names, in order (core/policies/sharing.py).
CREATE TABLE rate_members (
  instance TEXT PRIMARY KEY,
  members TEXT NOT NULL
);

-- The budgets that a policy on sessions keeps, those of earlier versions too.
CREATE TABLE policy_cap (
  policy BIGINT NOT NULL,
  budget BIGINT PRIMARY KEY REFERENCES budget (id)
);
CREATE INDEX policy_cap_list ON policy_cap (policy);
