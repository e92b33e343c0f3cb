-- What the server needs: who may use it, and what clients report beside events.

-- A key is told once, when it is made; here lies only its digest.
CREATE TABLE api_keys (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  prefix TEXT NOT NULL,             -- the beginning of the key, by which people know it
  digest BLOB NOT NULL UNIQUE,      -- SHA-256
  scopes TEXT NOT NULL,             -- words with blanks between
  project_id INTEGER,               -- NULL: all projects
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  last_used_at INTEGER
);

-- Further public keys of a project's DSN, beside projects.public_key, which is the one that is shown.
CREATE TABLE dsn_keys (
  public_key TEXT PRIMARY KEY,
  project_id INTEGER NOT NULL,
  replaced_at INTEGER NOT NULL      -- when another became the one that is shown
) WITHOUT ROWID;
CREATE INDEX dsn_keys_project ON dsn_keys (project_id);

-- Requests counted in this window and in the one before, of those who have a limit.
CREATE TABLE rate_windows (
  kind TEXT NOT NULL,               -- ingest or read
  who TEXT NOT NULL,                -- a key or an address
  started_at INTEGER NOT NULL,
  used INTEGER NOT NULL,
  used_before INTEGER NOT NULL,
  PRIMARY KEY (kind, who)
) WITHOUT ROWID;

CREATE TABLE spans (
  id INTEGER PRIMARY KEY,           -- grows in the order of arrival
  project_id INTEGER NOT NULL,
  trace_id BLOB NOT NULL,           -- 16 bytes
  span_id BLOB NOT NULL,            -- 8 bytes
  parent_span_id BLOB,
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  name TEXT NOT NULL,
  op TEXT,
  kind TEXT,
  status TEXT,
  service TEXT,
  release TEXT,
  environment TEXT,
  origin TEXT,                      -- the protocol it came by: sentry or otlp
  attributes BLOB,                  -- compressed JSON
  received_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX spans_key ON spans (trace_id, span_id, project_id);
CREATE INDEX spans_received ON spans (received_at);

-- Runs of a program, added up by the hour in which they began.
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL,
  hour INTEGER NOT NULL,            -- hours since the epoch
  release TEXT NOT NULL,
  environment TEXT NOT NULL,
  started INTEGER NOT NULL DEFAULT 0,
  errored INTEGER NOT NULL DEFAULT 0,
  crashed INTEGER NOT NULL DEFAULT 0,
  abnormal INTEGER NOT NULL DEFAULT 0,
  exited INTEGER NOT NULL DEFAULT 0,
  UNIQUE (project_id, hour, release, environment)
);
CREATE INDEX sessions_release ON sessions (project_id, release, hour);
-- The distinct people of those runs: 56-bit digests, as in hash_users.
CREATE TABLE session_users (
  session_id INTEGER NOT NULL,
  user INTEGER NOT NULL,
  crashed INTEGER NOT NULL,         -- 1 where one of that person's runs crashed
  PRIMARY KEY (session_id, user)
) WITHOUT ROWID;

-- What scheduled jobs report: one row a run.
CREATE TABLE check_ins (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL,
  check_in_id BLOB NOT NULL,        -- 16 bytes
  monitor TEXT NOT NULL,
  status TEXT NOT NULL,
  duration REAL,                    -- seconds
  release TEXT,
  environment TEXT,
  at INTEGER NOT NULL,              -- when the run was first reported
  changed_at INTEGER NOT NULL,
  config TEXT,                      -- JSON: the schedule, where the client sent it
  UNIQUE (project_id, check_in_id)
);
CREATE INDEX check_ins_monitor ON check_ins (project_id, monitor, at);
CREATE INDEX check_ins_at ON check_ins (at);

-- What people who met an error wrote about it.
CREATE TABLE feedback (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL,
  feedback_id BLOB NOT NULL,        -- 16 bytes; made of the content where the client gives none
  event_id BLOB,                    -- 16 bytes
  name TEXT,
  email TEXT,
  message TEXT NOT NULL,
  url TEXT,
  at INTEGER NOT NULL,
  UNIQUE (project_id, feedback_id)
);
CREATE INDEX feedback_event ON feedback (project_id, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX feedback_at ON feedback (at);
