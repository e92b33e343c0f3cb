-- Webhooks: whom to tell of what happens, and what is still to be told.

CREATE TABLE webhooks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,               -- the provider's name
  url TEXT NOT NULL,
  headers TEXT NOT NULL,            -- JSON object
  options TEXT NOT NULL,            -- JSON object, the provider's own
  secrets TEXT NOT NULL,            -- JSON list of what signs, the newest first
  kinds TEXT NOT NULL,              -- what it is told: words with blanks between
  levels TEXT NOT NULL,             -- error,critical or >=error; nothing: all
  query TEXT NOT NULL,
  project TEXT NOT NULL,            -- name; nothing: all
  template TEXT NOT NULL,
  rate_limit TEXT NOT NULL,         -- 30/minute
  pause INTEGER NOT NULL,           -- least microseconds between two messages about events of one issue
  attach INTEGER NOT NULL,
  timeout INTEGER NOT NULL,         -- seconds
  max_attempts INTEGER NOT NULL,
  enabled INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  -- How it goes.
  failures INTEGER NOT NULL DEFAULT 0,  -- attempts in a row that failed
  silent_until INTEGER,             -- nothing is sent until then: too much failed, or the service asked for it
  last_error TEXT,
  last_delivered_at INTEGER,
  tokens REAL,                      -- of the rate limit, at `tokens_at`; NULL: as many as there can be
  tokens_at INTEGER
);

-- Deliveries. What they tell is read from the events and issues when they are sent.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,  -- grows in the order in which they were queued
  webhook_id INTEGER NOT NULL,
  key BLOB NOT NULL,                -- 16 bytes that make the idempotency id: the same in each attempt
  kind TEXT NOT NULL,
  state TEXT NOT NULL,              -- queued, delivering, retry, held, delivered, failed, merged
  issue_id INTEGER,
  event INTEGER,                    -- events.id
  alert TEXT,                       -- JSON
  count INTEGER NOT NULL,           -- events that it stands for
  queued_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  started_at INTEGER,               -- when the last attempt began
  attempts INTEGER NOT NULL DEFAULT 0,
  status INTEGER,                   -- HTTP status of the last answer
  reason TEXT,                      -- why it is not delivered
  ended_at INTEGER,                 -- when it was delivered, given up or merged
  summary_id INTEGER                -- the delivery that tells of this one, which the rate limit held back
);
CREATE INDEX outbox_waiting ON outbox (webhook_id, id) WHERE state IN ('queued', 'retry');
CREATE INDEX outbox_due ON outbox (webhook_id, due_at) WHERE state IN ('queued', 'retry', 'held');
CREATE INDEX outbox_issue ON outbox (issue_id, webhook_id, state, id);
CREATE INDEX outbox_event ON outbox (event) WHERE event IS NOT NULL;
CREATE INDEX outbox_state ON outbox (webhook_id, state, id);
CREATE INDEX outbox_ended ON outbox (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX outbox_summary ON outbox (summary_id) WHERE summary_id IS NOT NULL;
