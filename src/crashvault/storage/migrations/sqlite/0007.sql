-- Similarity: what each grouping hash looks like, and by what it can be found.

-- One row a hash: the digests that `grouping/sketch.py` makes of its first event. No text.
CREATE TABLE sketches (
  hash_id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL,
  body BLOB NOT NULL                -- JSON
);
CREATE INDEX sketches_project ON sketches (project_id);
-- The inverted index: a trait is a frame, or a message.
CREATE TABLE traits (
  project_id INTEGER NOT NULL,
  trait INTEGER NOT NULL,
  hash_id INTEGER NOT NULL,
  PRIMARY KEY (project_id, trait, hash_id)
) WITHOUT ROWID;
-- In how many hashes a trait is: the rarer, the more it says.
CREATE TABLE trait_counts (
  project_id INTEGER NOT NULL,
  trait INTEGER NOT NULL,
  hashes INTEGER NOT NULL,
  PRIMARY KEY (project_id, trait)
) WITHOUT ROWID;
-- Hashes that have no sketch yet: they are older than this table, were imported, or lost their first event.
CREATE TABLE unsketched (
  hash_id INTEGER PRIMARY KEY
);
INSERT INTO unsketched SELECT id FROM hashes;

-- What people said of two hashes, the smaller first: that they are the same, or are not.
CREATE TABLE verdicts (
  project_id INTEGER NOT NULL,
  one BLOB NOT NULL,
  other BLOB NOT NULL,
  same INTEGER NOT NULL,
  score REAL,                       -- how alike they were; NULL where another pair of the same act has it
  at INTEGER NOT NULL,
  PRIMARY KEY (project_id, one, other)
) WITHOUT ROWID;

-- What `dedup` did, so that it can be undone: one row an act.
CREATE TABLE dedups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  actor TEXT NOT NULL,
  done TEXT NOT NULL                -- JSON: merges as [target, issue], aliases as hash ids
);
