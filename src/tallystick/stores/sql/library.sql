-- The library: versions of prompts that somebody proposed and another approved, for others to use. `sha256`: of the prompt's text,
-- where somebody gave it; the text itself is not kept. Who proposed and approved is in the ledger too (PROMPT).
CREATE TABLE approved_prompt (
  organization INTEGER NOT NULL REFERENCES organization (id),
  prompt TEXT NOT NULL,
  version TEXT NOT NULL,
  owner TEXT NOT NULL,
  purpose TEXT NOT NULL,
  sha256 TEXT,
  proposed_by TEXT NOT NULL,
  approved_us BIGINT NOT NULL,
  approved_by TEXT NOT NULL,
  PRIMARY KEY (organization, prompt, version)
);
-- What people think of an approved version: whether they keep it at the top of their own library, and how many stars they give it. Nothing
-- of money or rights hangs on it, so the ledger does not know of it.
CREATE TABLE approved_prompt_mark (
  organization INTEGER NOT NULL REFERENCES organization (id),
  prompt TEXT NOT NULL,
  version TEXT NOT NULL,
  account TEXT NOT NULL REFERENCES account (id),
  pinned INTEGER NOT NULL,
  stars INTEGER,                             -- 1 to 5; null: none given
  PRIMARY KEY (organization, prompt, version, account)
);
