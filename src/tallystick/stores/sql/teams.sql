-- Teams that were given another name, and projects that went to another team (team_names.py, moving_projects.py).

-- Every name that a team had before the one it has, `first` the one that it was made with. Nobody else gets them.
CREATE TABLE IF NOT EXISTS team_former_name (
  organization INTEGER NOT NULL REFERENCES organization (id),
  name TEXT NOT NULL,
  team INTEGER NOT NULL REFERENCES team (id),
  first INTEGER NOT NULL,
  until_us BIGINT NOT NULL,
  PRIMARY KEY (organization, name)
);
-- Projects that have left their team: calls of before stay booked there, `successor` is where they go now.
CREATE TABLE IF NOT EXISTS project_moved (
  project INTEGER PRIMARY KEY REFERENCES project (id),
  successor INTEGER NOT NULL REFERENCES project (id),
  moved_us BIGINT NOT NULL
);
