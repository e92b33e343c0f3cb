-- Who uses the dashboard, and what they keep there.

CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,               -- admin, member or viewer
  password TEXT NOT NULL,           -- scrypt$N$r$p$salt$key, hexadecimal
  created_at INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,      -- when role or password changed last
  seen_at INTEGER                   -- when they logged in last
);

-- A browser has the token; here lies only its digest.
CREATE TABLE logins (
  digest BLOB PRIMARY KEY,          -- SHA-256
  user_id INTEGER,                  -- NULL: the link with which the first user is made
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX logins_user ON logins (user_id);

-- Passwords that were wrong, by name and by address.
CREATE TABLE login_failures (
  who TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  last_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE saved_searches (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  query TEXT NOT NULL,
  actor TEXT NOT NULL,              -- who saved it
  created_at INTEGER NOT NULL
);
