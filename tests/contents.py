"""All that a vault says, for comparing two of them."""

from __future__ import annotations

from typing import Any

from crashvault.storage.codec import expand
from crashvault.storage.store import Store
from databases import assert_sound

_VOCABULARY = {
    "sqlite": {name: f"SELECT term, doc, cnt FROM {name}" for name in ("event_terms", "stack_terms")},
    "postgres": {
        name: f"SELECT w.word, count(*), count(*) FROM {name} d, unnest(tsvector_to_array(d.body)) AS w (word) GROUP BY 1"
        for name in ("event_index", "stack_index")
    },
}


def contents(store: Store) -> dict[str, Any]:
    """All that a vault says, in terms of event ids and hashes instead of its own numbers."""
    rows = store.db.rows
    events = {row: (project, key.hex()) for row, project, key in rows("SELECT id, project_id, event_id FROM events")}
    hashes = {row: (project, digest.hex()) for row, project, digest in rows("SELECT id, project_id, hash FROM hashes")}
    issues: dict[int, tuple[Any, ...]] = {}
    for hash_id, issue in rows("SELECT id, issue_id FROM hashes ORDER BY project_id, hash"):
        issues[issue] = (*issues.get(issue, ()), hashes[hash_id])
    stacks = {row: expand(body) for row, body in rows("SELECT id, body FROM stacks")}
    backgrounds = {row: expand(body) for row, body in rows("SELECT id, body FROM backgrounds")}
    used = set(rows("SELECT DISTINCT stack_id, hash_id FROM events WHERE stack_id IS NOT NULL"))
    pairs = set(rows("SELECT stack_id, hash_id FROM stack_hashes"))
    assert used <= pairs
    vocabulary: dict[str, Any] = {}
    for name, sql in _VOCABULARY[store.db.dialect].items():
        for term, documents, count in rows(sql):
            shown = str(hashes[int(term[2:])]) if term.startswith("¤h") else term
            vocabulary[f"{name} {shown}"] = (documents, count)
    return {
        "events": {
            events[row]: (hashes[hash_id], stacks.get(stack), backgrounds.get(background), expand(body), *rest)
            for row, hash_id, stack, background, body, *rest in rows(
                """SELECT e.id, hash_id, stack_id, background_id, body, timestamp, received_at, level
                   FROM events e JOIN payloads b ON b.id = e.id"""
            )
        },
        "order": [events[row] for (row,) in rows("SELECT id FROM events ORDER BY timestamp, id")],
        "hashes": {hashes[row]: rest for row, *rest in rows(
            "SELECT id, algorithm, grouping, title, culprit, count, users, first_seen, last_seen FROM hashes")},
        "issues": {issues[row]: (events[last], *rest) for row, last, *rest in rows(
            """SELECT id, last_event, title, culprit, status, level, release, environment, count, users, first_seen,
                      last_seen FROM issues WHERE merged_into IS NULL""")},
        "hash_words": {(word, hashes[row]) for word, row in rows("SELECT word, hash_id FROM hash_words")},
        "hash_users": {(user, hashes[row]) for row, user in rows("SELECT hash_id, hash_users.user FROM hash_users")},
        "hash_hours": {(hashes[row], *rest) for row, *rest in rows("SELECT * FROM hash_hours")},
        "hash_minutes": {(hashes[row], minute, n) for minute, row, n in rows("SELECT * FROM hash_minutes")},
        "project_hours": set(rows("SELECT * FROM project_hours")),
        "words": set(rows("SELECT * FROM words")),
        "stacks": sorted(stacks.values()),
        "stack_words": {(word, stacks[row]) for word, row in rows("SELECT * FROM stack_words")},
        "backgrounds": sorted(backgrounds.values()),
        "attachments": {(events[row], *rest) for row, *rest in rows("SELECT event, name, size, digest FROM attachments")},
        "keys": {key.hex() for (key,) in rows("SELECT event_id FROM event_keys WHERE event IS NOT NULL")},
        "vocabulary": vocabulary,
    }  # fmt: skip


__all__ = ["assert_sound", "contents"]
