-- Pages of issues, and sessions that are told twice.

-- Issues in the orders that do not change with every event, for pages that begin behind an issue. Those by counts are
-- sorted when asked for: an index over them would cost every event more than it saves.
CREATE INDEX issues_title ON issues (title, id) WHERE merged_into IS NULL;
CREATE INDEX issues_by_status ON issues (status, id) WHERE merged_into IS NULL;
CREATE INDEX issues_created ON issues (created_at, id) WHERE merged_into IS NULL;

-- Updates of sessions that were counted lately: a client that got no answer sends them again.
CREATE TABLE session_updates (
  day INTEGER NOT NULL,             -- of their arrival, days since the epoch
  digest INTEGER NOT NULL,          -- 56 bits of the project and what tells the update from others
  PRIMARY KEY (day, digest)
) WITHOUT ROWID;
