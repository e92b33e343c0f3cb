-- The vault. Times are microseconds since the epoch (UTC). Ids of events grow in the order of arrival.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE sequences (
  name TEXT PRIMARY KEY,
  next INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO sequences VALUES ('events', 1), ('hashes', 1), ('issues', 1), ('stacks', 1), ('backgrounds', 1);

CREATE TABLE settings (
  key TEXT PRIMARY KEY,
  value TEXT NOT NULL,              -- JSON
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE levels (
  name TEXT PRIMARY KEY,
  rank INTEGER NOT NULL UNIQUE,
  colour TEXT,
  emoji TEXT,
  built_in INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
INSERT INTO levels VALUES
  ('debug', 10, 'bright_black', '🔍', 1),
  ('info', 20, 'blue', 'ℹ️', 1),
  ('warning', 30, 'yellow', '⚠️', 1),
  ('error', 40, 'red', '❌', 1),
  ('critical', 50, 'bold white on red', '🔥', 1);

CREATE TABLE projects (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  public_key TEXT NOT NULL UNIQUE,  -- of the DSN
  created_at INTEGER NOT NULL
);

CREATE TABLE issues (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL,
  title TEXT NOT NULL,
  title_fixed INTEGER NOT NULL DEFAULT 0,   -- a person chose the title
  culprit TEXT NOT NULL,
  status TEXT NOT NULL,
  severity TEXT,
  assigned TEXT,
  level INTEGER NOT NULL,           -- rank of the latest event
  release TEXT,                     -- of the latest event
  environment TEXT,                 -- of the latest event
  is_regressed INTEGER NOT NULL DEFAULT 0,
  count INTEGER NOT NULL,
  users INTEGER NOT NULL,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,      -- last activity of a person or a transition
  resolved_at INTEGER,
  resolved_in TEXT,                 -- release
  last_event INTEGER NOT NULL,
  category TEXT,
  merged_into INTEGER               -- the issue that has its hashes meanwhile; the row waits, unlisted, for unmerge
);
CREATE INDEX issues_status ON issues (status, last_seen, merged_into);
CREATE INDEX issues_last_seen ON issues (last_seen, merged_into);
CREATE INDEX issues_project ON issues (project_id, merged_into);
CREATE INDEX issues_merged ON issues (merged_into) WHERE merged_into IS NOT NULL;

-- Tags that people put on an issue; those of events are in `words`.
CREATE TABLE issue_tags (
  issue_id INTEGER NOT NULL,
  tag TEXT NOT NULL,
  home_issue_id INTEGER,            -- where it was before any merge, if that is not `issue_id`
  PRIMARY KEY (issue_id, tag)
) WITHOUT ROWID;

-- A grouping hash belongs to one issue; merging and unmerging only repoint it.
CREATE TABLE hashes (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL,
  hash BLOB NOT NULL,               -- SHA-1, 20 bytes
  issue_id INTEGER NOT NULL,
  home_issue_id INTEGER NOT NULL,   -- where it was before any merge
  algorithm TEXT NOT NULL,
  grouping TEXT NOT NULL,           -- JSON: key, reason, parts
  title TEXT NOT NULL,
  culprit TEXT NOT NULL,
  count INTEGER NOT NULL DEFAULT 0,
  users INTEGER NOT NULL DEFAULT 0,
  first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (project_id, hash)
);
CREATE INDEX hashes_issue ON hashes (issue_id);

-- Who has this event id. A row without an event is the tombstone of a deleted one.
CREATE TABLE event_keys (
  project_id INTEGER NOT NULL,
  event_id BLOB NOT NULL,           -- 16 bytes
  event INTEGER,
  deleted_at INTEGER,
  PRIMARY KEY (project_id, event_id)
) WITHOUT ROWID;
CREATE INDEX event_keys_deleted ON event_keys (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE events (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL,
  event_id BLOB NOT NULL,
  hash_id INTEGER NOT NULL,
  stack_id INTEGER,
  background_id INTEGER,
  timestamp INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  level INTEGER NOT NULL            -- rank
);
CREATE INDEX events_timestamp ON events (timestamp);
CREATE INDEX events_hash ON events (hash_id, timestamp);

-- What changes from event to event, compressed; apart from the hot rows above.
CREATE TABLE payloads (
  id INTEGER PRIMARY KEY,
  body BLOB NOT NULL
);

-- What does not change from event to event: frames without variables. One row per distinct stack.
CREATE TABLE stacks (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  body BLOB NOT NULL
);
-- What the events of one deployment share: modules, SDK, operating system, runtime.
CREATE TABLE backgrounds (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  body BLOB NOT NULL
);
CREATE TABLE stack_hashes (
  stack_id INTEGER NOT NULL,
  hash_id INTEGER NOT NULL,
  PRIMARY KEY (stack_id, hash_id)
) WITHOUT ROWID;
CREATE INDEX stack_hashes_hash ON stack_hashes (hash_id);

-- Distinct casefolded values of a field, over which wildcards are expanded. `word` is what the index holds.
CREATE TABLE words (
  field TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (field, value)
) WITHOUT ROWID;

-- Which hashes have had an event with a word, and a user. 64-bit digests of (field, value).
CREATE TABLE hash_words (
  word INTEGER NOT NULL,
  hash_id INTEGER NOT NULL,
  PRIMARY KEY (word, hash_id)
) WITHOUT ROWID;
CREATE TABLE hash_users (
  hash_id INTEGER NOT NULL,
  user INTEGER NOT NULL,
  PRIMARY KEY (hash_id, user)
) WITHOUT ROWID;

-- Frames by their words: file, function, module, exception type.
CREATE TABLE stack_words (
  word INTEGER NOT NULL,
  stack_id INTEGER NOT NULL,
  PRIMARY KEY (word, stack_id)
) WITHOUT ROWID;

CREATE VIRTUAL TABLE event_index USING fts5 (
  body, content='', columnsize=0, detail=none, tokenize='ascii'
);
CREATE VIRTUAL TABLE stack_index USING fts5 (
  body, content='', columnsize=0, detail=none, tokenize='ascii'
);
CREATE VIRTUAL TABLE event_terms USING fts5vocab (event_index, row);
CREATE VIRTUAL TABLE stack_terms USING fts5vocab (stack_index, row);

-- Counters: by hour of `timestamp` for charts, by minute of `received_at` for alerts.
CREATE TABLE hash_hours (
  hash_id INTEGER NOT NULL,
  hour INTEGER NOT NULL,            -- hours since the epoch
  count INTEGER NOT NULL,
  PRIMARY KEY (hash_id, hour)
) WITHOUT ROWID;
CREATE TABLE hash_minutes (
  minute INTEGER NOT NULL,          -- minutes since the epoch
  hash_id INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (minute, hash_id)
) WITHOUT ROWID;
CREATE TABLE project_hours (
  project_id INTEGER NOT NULL,
  hour INTEGER NOT NULL,
  level INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (project_id, hour, level)
) WITHOUT ROWID;

CREATE TABLE attachments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  event INTEGER,                    -- events.id
  issue_id INTEGER,
  name TEXT NOT NULL,
  content_type TEXT NOT NULL,
  kind TEXT NOT NULL,
  size INTEGER NOT NULL,
  digest BLOB NOT NULL,             -- SHA-256 of the content, its address in the blob store
  created_at INTEGER NOT NULL,
  home_issue_id INTEGER             -- as in issue_tags
);
CREATE INDEX attachments_event ON attachments (event);
CREATE INDEX attachments_issue ON attachments (issue_id) WHERE issue_id IS NOT NULL;
CREATE INDEX attachments_digest ON attachments (digest);

CREATE TABLE activity (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  data TEXT NOT NULL,               -- JSON
  home_issue_id INTEGER             -- as in issue_tags
);
CREATE INDEX activity_issue ON activity (issue_id, id);

-- Everything refused, limited, evicted, scrubbed or reported lost by a client.
CREATE TABLE drops (
  reason TEXT NOT NULL,
  source TEXT NOT NULL,
  category TEXT NOT NULL,
  count INTEGER NOT NULL,
  first INTEGER NOT NULL,
  last INTEGER NOT NULL,
  PRIMARY KEY (reason, source, category)
) WITHOUT ROWID;

CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The documented views of `crashvault sql`. cv_* are functions of the connection.
CREATE VIEW v_issues AS
  SELECT i.id, p.name AS project, i.title, i.culprit, i.status, i.severity, l.name AS level, i.assigned,
         i.count, i.users, cv_time(i.first_seen) AS first_seen, cv_time(i.last_seen) AS last_seen,
         cv_time(i.created_at) AS created_at, i.release, i.environment, i.is_regressed, i.category
  FROM issues i JOIN projects p ON p.id = i.project_id LEFT JOIN levels l ON l.rank = i.level
  WHERE i.merged_into IS NULL;

CREATE VIEW v_events AS
  SELECT e.id, cv_uuid(e.event_id) AS event_id, h.issue_id, p.name AS project, cv_time(e.timestamp) AS timestamp,
         cv_time(e.received_at) AS received_at, l.name AS level,
         cv_field(b.body, 'message') AS message, cv_field(b.body, 'release') AS release,
         cv_field(b.body, 'environment') AS environment, cv_field(b.body, 'host') AS host,
         cv_field(b.body, 'user') AS user, cv_field(b.body, 'source') AS source,
         cv_field(b.body, 'platform') AS platform, cv_field(b.body, 'trace_id') AS trace_id
  FROM events e JOIN payloads b ON b.id = e.id JOIN hashes h ON h.id = e.hash_id
       JOIN projects p ON p.id = e.project_id LEFT JOIN levels l ON l.rank = e.level;

CREATE VIEW v_frames AS
  SELECT e.id, cv_uuid(e.event_id) AS event_id, h.issue_id,
         json_extract(f.value, '$.exception') AS exception, json_extract(f.value, '$.position') AS position,
         json_extract(f.value, '$.file') AS file, json_extract(f.value, '$.line') AS line,
         json_extract(f.value, '$.function') AS function, json_extract(f.value, '$.module') AS module,
         json_extract(f.value, '$.in_app') AS in_app, json_extract(f.value, '$.context_line') AS context_line
  FROM events e JOIN hashes h ON h.id = e.hash_id JOIN stacks s ON s.id = e.stack_id,
       json_each(cv_frames(s.body)) f;

CREATE VIEW v_tags AS
  SELECT e.id, cv_uuid(e.event_id) AS event_id, h.issue_id, t.value AS tag,
         CASE WHEN instr(t.value, '=') THEN substr(t.value, 1, instr(t.value, '=') - 1) ELSE t.value END AS key,
         CASE WHEN instr(t.value, '=') THEN substr(t.value, instr(t.value, '=') + 1) END AS value
  FROM events e JOIN hashes h ON h.id = e.hash_id JOIN payloads b ON b.id = e.id,
       json_each(cv_field(b.body, 'tags')) t;
