-- Eviction: events go, what was counted of them stays.

-- Events in `count` that are not stored any more.
ALTER TABLE hashes ADD COLUMN evicted INTEGER NOT NULL DEFAULT 0;
-- 1: `hash_words` may have words of evicted events.
ALTER TABLE hashes ADD COLUMN unsettled INTEGER NOT NULL DEFAULT 0;

-- The evicted events behind `hashes.evicted`, by hour of their timestamp and level.
CREATE TABLE evicted_hours (
  hash_id INTEGER NOT NULL,
  hour INTEGER NOT NULL,            -- hours since the epoch
  level INTEGER NOT NULL,           -- rank
  count INTEGER NOT NULL,
  PRIMARY KEY (hash_id, hour, level)
) WITHOUT ROWID;

-- The latest runs of retention.
CREATE TABLE retention_runs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,              -- when it began
  ended_at INTEGER NOT NULL,
  evicted INTEGER NOT NULL,         -- events
  freed INTEGER NOT NULL,           -- bytes
  is_stopped INTEGER NOT NULL,      -- 1: before everything was done
  policies TEXT NOT NULL            -- JSON list: what each of them did
);
