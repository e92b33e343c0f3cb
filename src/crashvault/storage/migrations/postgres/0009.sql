-- When an issue that is ignored is to be looked at again.

-- JSON: at (microseconds), count, users; whichever is reached first.
ALTER TABLE issues ADD COLUMN ignored_until TEXT COLLATE "C";
CREATE INDEX issues_ignored_until ON issues (id) WHERE ignored_until IS NOT NULL;
