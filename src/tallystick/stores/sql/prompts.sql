-- The prompts that somebody registered, and their versions. What calls merely name is in the ledger's dictionary; nobody has to
-- register anything. `active`: the version of a call that names the prompt and no version.
CREATE TABLE prompt (
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  note TEXT NOT NULL,
  owner TEXT NOT NULL,                       -- whom to ask about it; '' where nobody said
  tags TEXT NOT NULL,                        -- a JSON list of words
  created_us BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  PRIMARY KEY (organization, name)
);
CREATE TABLE prompt_version (
  organization INTEGER NOT NULL,
  prompt TEXT NOT NULL,
  version TEXT NOT NULL,
  model TEXT,
  temperature TEXT,                          -- a decimal number, as it was written
  max_tokens BIGINT,
  note TEXT NOT NULL,
  active INTEGER NOT NULL,
  created_us BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  activated_us BIGINT,                       -- when it last became the active one
  PRIMARY KEY (organization, prompt, version),
  FOREIGN KEY (organization, prompt) REFERENCES prompt (organization, name)
);
