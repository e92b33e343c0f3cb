-- Alert rules: what they count of the events, where each alert stands, and what happened.

CREATE TABLE alert_rules (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  condition TEXT NOT NULL,
  query TEXT NOT NULL,              -- nothing: all events
  project TEXT NOT NULL,            -- name; nothing: all
  grouped_by TEXT NOT NULL,         -- nothing, issue, project or tag.KEY
  notify TEXT NOT NULL,             -- JSON list: webhooks' names, desktop
  severity TEXT NOT NULL,
  hold INTEGER NOT NULL,            -- microseconds, as the next two
  linger INTEGER NOT NULL,
  cooldown INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);

-- Rules that say nothing for a while, or count nothing that a query finds.
CREATE TABLE alert_mutes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  rule_id INTEGER NOT NULL,
  query TEXT NOT NULL,              -- nothing: all of it
  until INTEGER,                    -- NULL: until it is taken back
  created_at INTEGER NOT NULL
);

-- One alert: a rule and one of its groups.
CREATE TABLE alerts (
  rule_id INTEGER NOT NULL,
  grp TEXT NOT NULL,                -- an issue's id, a project, a tag's value; nothing: all together
  counted_since INTEGER NOT NULL,
  last_at INTEGER,                  -- of the last event that was counted
  issue_id INTEGER,                 -- of that event
  event INTEGER,                    -- its row
  state TEXT NOT NULL DEFAULT 'ok', -- ok, pending, firing
  since INTEGER NOT NULL DEFAULT 0,
  held_at INTEGER NOT NULL DEFAULT 0,
  told_at INTEGER,
  is_told INTEGER NOT NULL DEFAULT 0,
  reason TEXT NOT NULL DEFAULT '',
  due_at INTEGER,                   -- when to look at it again; 0: at once
  PRIMARY KEY (rule_id, grp)
) WITHOUT ROWID;
CREATE INDEX alerts_due ON alerts (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE alert_counts (
  rule_id INTEGER NOT NULL,
  grp TEXT NOT NULL,
  series TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (rule_id, grp, series, bucket)
) WITHOUT ROWID;
-- Who was seen, and in which bucket last.
CREATE TABLE alert_members (
  rule_id INTEGER NOT NULL,
  grp TEXT NOT NULL,
  series TEXT NOT NULL,
  member INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  PRIMARY KEY (rule_id, grp, series, member)
) WITHOUT ROWID;

CREATE TABLE alert_history (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  rule_id INTEGER NOT NULL,
  grp TEXT NOT NULL,
  at INTEGER NOT NULL,
  what TEXT NOT NULL,               -- fired or resolved
  told TEXT NOT NULL,               -- yes, cooldown or muted
  numbers TEXT NOT NULL,            -- JSON object: what the condition compared
  reason TEXT NOT NULL,
  issue_id INTEGER
);
CREATE INDEX alert_history_rule ON alert_history (rule_id, id);
