from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crashvault.errors import InvalidError
from crashvault.ingest.normalize import normalize
from crashvault.ingest.scrub import DEFAULT_POLICY, ScrubPolicy, policy_from, scrub
from crashvault.ingest.secret_keys import is_secret_name
from crashvault.ingest.secret_text import ADDRESS_RULE, RULES, Names, haystack, redacted
from crashvault.models import LEVEL_RANKS

sys.path.insert(0, str(Path(__file__).parents[1]))
from nasty import NASTY
from shapes import assert_event_shape

NOW = 1_795_459_623_000_000
F = "[Filtered]"
NAMES = Names(is_secret_name)
TEXT_RULES = [rule for rule in RULES if rule.scope != "code"]
CODE_RULES = [rule for rule in RULES if rule.scope != "text"]
CARD = "4111 1111 1111 1111"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc+/=\n-----END RSA PRIVATE KEY-----"


def event_of(raw: dict[str, Any]) -> Any:
    return normalize(copy.deepcopy(raw), received_at=NOW, levels=LEVEL_RANKS)


def scrubbed(raw: dict[str, Any], policy: ScrubPolicy = DEFAULT_POLICY) -> dict[str, Any]:
    event = event_of({"message": "m", **raw})
    scrub(event, policy)
    assert_event_shape(event)
    return dict(event)


def text_of(text: str, policy: ScrubPolicy = DEFAULT_POLICY) -> str:
    return str(scrubbed({"message": text}, policy)["message"])


@pytest.mark.parametrize(
    "name",
    """password passwd PWD_ pwd secret token api_key apikey api-key authorization auth cookie set-cookie session sessionid
    session_id csrf private_key access_key credential credentials ssn card_number cvv pin access_token authToken
    X-Api-Key PGPASSWORD dbPassword HTTP_AUTHORIZATION aws_secret_access_key clientSecret refreshToken PHPSESSID
    csrfmiddlewaretoken passwordHash stripe.apiKey X-CSRFToken APIKey sshKey user_pass passwords tokens creditCard""".split(),
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)
    assert scrubbed({"context": {name: "x1"}})["context"] == {name: F}


@pytest.mark.parametrize(
    "name",
    """tokenizer author monkey keyboard key primary_key max_tokens tokens_used token_type PWD username session_duration
    pinned bypass compass authority cache_key passenger secretary cookiecutter mapping spin TokenExpiredError
    password_reset_url completion_tokens monkeypatch hotkey public_key author_id 123 ключ""".split(),
)
def test_harmless_names(name: str) -> None:
    assert not is_secret_name(name)
    assert scrubbed({"context": {name: "x1"}})["context"] == {name: "x1"}


def test_secret_names_everywhere() -> None:
    frame = {"file": "a.py", "line": 1, "vars": {"password": "'x'", "user": "'ada'", "nested": {"apiKey": 5}}}
    event = scrubbed(
        {
            "context": {"a": [{"secret": {"deep": ["x", 7, None, True, {"y": "z"}]}}]},
            "exception": {"type": "E", "frames": [frame], "mechanism": {"data": {"token": "t"}}},
            "request": {
                "headers": {"Authorization": "Bearer x", "Accept": "*/*"},
                "cookies": {"sessionid": "x", "theme": "dark"},
                "query_string": [["token", "x"], ["page", "2"]],
                "env": {"PWD": "/srv", "DB_PASSWORD": "x"},
                "data": {"card_number": 4111, "name": "ada"},
            },
            "breadcrumbs": [{"message": "m", "data": {"csrf_token": "x", "url": "/"}}],
            "tags": ["auth_token=x", "db", "region=eu", "session=y"],
            "user": {"id": 5, "session": "s"},
            "threads": [{"id": 1, "frames": [frame]}],
        }
    )
    assert event["context"] == {"a": [{"secret": {"deep": [F, F, None, True, {"y": F}]}}]}
    for part in (event["exceptions"][0], event["threads"][0]):
        assert part["frames"][0]["vars"] == {"password": F, "user": "'ada'", "nested": {"apiKey": F}}
    assert event["exceptions"][0]["mechanism"] == {"data": {"token": F}}
    assert event["request"] == {
        "headers": {"Authorization": F, "Accept": "*/*"},
        "cookies": {"sessionid": F, "theme": F},
        "query_string": [["token", F], ["page", "2"]],
        "env": {"PWD": "/srv", "DB_PASSWORD": F},
        "data": {"card_number": F, "name": "ada"},
    }
    assert event["breadcrumbs"][0]["data"] == {"csrf_token": F, "url": "/"}
    assert event["tags"] == [f"auth_token={F}", "db", "region=eu", f"session={F}"]
    assert event["user"] == {"id": 5, "session": F}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("login failed password=hunter2", f"login failed password={F}"),
        ("run --password=x1 --verbose", f"run --password={F} --verbose"),
        ("run --password x1 --verbose", f"run --password {F} --verbose"),
        ("run --api-key 'a b' go", f"run --api-key '{F}' go"),
        ("PGPASSWORD=x1 psql -h db", f"PGPASSWORD={F} psql -h db"),
        ("curl -s -u ada:x1 https://h", f"curl -s -u ada:{F} https://h"),
        ("mysql -u root -psecret1 db", f"mysql -u root -p{F} db"),
        ("sshpass -p x1 ssh h", f"sshpass -p {F} ssh h"),
        ("ssh -p 22 h && cp -p a b", "ssh -p 22 h && cp -p a b"),
        ("Authorization: Bearer x1", f"Authorization: {F}"),
        ("curl -H 'Authorization: token x1' h", f"curl -H 'Authorization: {F}' h"),
        ("got Bearer abc.def123 back", f"got Bearer {F} back"),
        ("Basic authentication failed", "Basic authentication failed"),
        ("Cookie: a=b; c=d\nHost: h", f"Cookie: {F}\nHost: h"),
        ("{'Authorization': 'Bearer x1', 'Host': 'y'}", f"{{'Authorization': '{F}', 'Host': 'y'}}"),
        ('{"password": "x1", "user": "ada"}', f'{{"password": "{F}", "user": "ada"}}'),
        (r"{\"password\": \"x1\", \"user\": 1}", rf"{{\"password\": \"{F}\", \"user\": 1}}"),
        ("password: hunter2, retry", f"password: {F}, retry"),
        ('secret => "a b c"', f'secret => "{F}"'),
        ("postgres://ada:x1@db/shop", f"postgres://ada:{F}@db/shop"),
        ("redis://:x1@h:6379 and amqp://a:b@h", f"redis://:{F}@h:6379 and amqp://a:{F}@h"),
        ("https://h:8080/a@b and ada@example.com", "https://h:8080/a@b and ada@example.com"),
        ("https://0123456789abcdef0123@h/1", f"https://{F}@h/1"),
        ("postgres://{user}:{password}@{host}", "postgres://{user}:{password}@{host}"),
        ("GET /a?page=2&token=x1&b=3 HTTP", f"GET /a?page=2&token={F}&b=3 HTTP"),
        ("x: password=x1", f"x: password={F}"),
        (f"card {CARD} declined", f"card {F} declined"),
        ("card 4111-1111-1111-1111, 5500005555555559", f"card {F}, {F}"),
        ("12 4111 1111 1111 1111 99", f"12 {F} 99"),
        ("amex 3782 822463 10005", f"amex {F}"),
        ("not 4111 1111 1111 1112", "not 4111 1111 1111 1112"),
        ("time 1795459623000000 id 41111111111111111111", "time 1795459623000000 id 41111111111111111111"),
        ("4111111111111111-abcd a4111111111111111", "4111111111111111-abcd a4111111111111111"),
        ("key AKIAIOSFODNN7EXAMPLE.", f"key {F}."),
        ("ghp_" + "a1" * 18, F),
        ("github_pat_" + "a1" * 20, F),
        ("xoxb-123456789012-abcdefABCDEF", F),
        ("sk_live_" + "a1" * 12, F),
        ("AIza" + "a1-_5" * 7, F),
        ("sk-proj-" + "a1" * 20, F),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_-1", F),
        ("https://hooks.slack.com/services/T00/B00/abcdef", f"https://hooks.slack.com/services/{F}"),
        (KEY, f"-----BEGIN RSA PRIVATE KEY-----\n{F}\n{F}\n-----END RSA PRIVATE KEY-----"),
        ("Unexpected token: } at 3", "Unexpected token: } at 3"),
        ("Unexpected token: foo at 3", "Unexpected token: foo at 3"),
        ("auth: failed for ada", "auth: failed for ada"),
        ("KeyError: 'password'", "KeyError: 'password'"),
        ("password=None token=%s secret=", "password=None token=%s secret="),
        ("InvalidTokenError: expired", "InvalidTokenError: expired"),
        ("the author: ada, keyboard=1", "the author: ada, keyboard=1"),
        ("password:\nnext line", "password:\nnext line"),
        ("f(password='x', user='y')", f"f(password='{F}', user='y')"),
    ],
)
def test_texts(text: str, kept: str) -> None:
    assert text_of(text) == kept


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("conn = connect(user=user, password=password)", "conn = connect(user=user, password=password)"),
        ('password = "hunter2"', f'password = "{F}"'),
        ('password: str = "hunter2"', f'password: str = "{F}"'),
        ("headers['X-Api-Key'] = 'abc'", f"headers['X-Api-Key'] = '{F}'"),
        ("const apiKey: string = 'abc';", f"const apiKey: string = '{F}';"),
        ("token = request.headers['Authorization']", "token = request.headers['Authorization']"),
        ('if token == "NAME":', 'if token == "NAME":'),
        ('url = "postgres://ada:x1@db"', f'url = "postgres://ada:{F}@db"'),
        ("for token in tokens: print(token)", "for token in tokens: print(token)"),
    ],
)
def test_source_lines(line: str, kept: str) -> None:
    frame = {
        "file": "a.py",
        "line": 2,
        "pre_context": ["x = 1", line],
        "context_line": line,
        "post_context": [line],
    }
    for _ in range(2):
        (found,) = scrubbed({"frames": [frame]})["frames"]
        assert found["pre_context"] == ["x = 1", kept]
        assert found["context_line"] == kept and found["post_context"] == [kept]


def test_a_private_key_in_source_lines() -> None:
    begin, first, second, end = KEY.split("\n")
    frame = {
        "file": "a.py",
        "line": 2,
        "pre_context": [begin, first],
        "context_line": second,
        "post_context": [end, "x = 1"],
    }
    (found,) = scrubbed({"frames": [frame]})["frames"]
    assert found["pre_context"] == [begin, F] and found["context_line"] == F
    assert found["post_context"] == [end, "x = 1"]


def test_source_lines_in_a_printed_traceback() -> None:
    text = (
        'Traceback (most recent call last):\n  File "a.py", line 3, in main\n    connect(password=password)\n'
        '  File "b.py", line 4, in connect\n    go("https://a:b@h", secret="s")\nE: password=hunter2\n'
    )
    kept = scrubbed({"stacktrace": text, "exception": {"type": "E", "frames": [{"file": "a.py", "line": 1}]}})[
        "stacktrace"
    ]
    assert kept == text.replace("hunter2", F).replace("a:b@", f"a:{F}@").replace('"s"', f'"{F}"')


def test_script_addresses_and_arguments() -> None:
    event = scrubbed(
        {
            "frames": [{"file": "https://h/app.js?token=x1", "line": 1}],
            "context": {"argv": ["run", "--password", "x1", "--token", "--force", "y"]},
            "modules": {"shop": "git+https://ada:x1@h/shop"},
        }
    )
    assert event["frames"][0]["file"] == f"https://h/app.js?token={F}"
    assert event["context"]["argv"] == ["run", "--password", F, "--token", "--force", "y"]
    assert event["modules"] == {"shop": f"git+https://ada:{F}@h/shop"}


def test_replacements_are_counted_and_noted() -> None:
    event = event_of({"message": "password=x", "context": {"token": "a", "b": {"pin": 5}}, "tags": ["secret=s"]})
    assert scrub(event) == 4
    assert {error["field"] for error in event["errors"]} == {
        "message",
        "context.token",
        "context.b.pin",
        "tags.0",
    }
    assert {error["reason"] for error in event["errors"]} == {"scrubbed"}
    before = copy.deepcopy(event)
    assert scrub(event) == 0
    assert event == before


def test_notes_are_limited() -> None:
    event = event_of({"message": "m", "context": {f"password{i}": "x" for i in range(50)}})
    assert scrub(event) == 50
    assert len(event["errors"]) == 21
    assert event["errors"][-1] == {"field": "event", "reason": "scrubbed", "detail": "50 replacements in all"}


def test_policies() -> None:
    context = {
        "context": {
            "colour": "red",
            "tokenish": "t",
            "session": "s",
            "favouriteColour": "red",
            "ip": "10.1.2.3",
        }
    }
    policy = policy_from({"keys": ["colour"], "safe_keys": ["session"], "patterns": ["^re[d]$", "t"], "ip": True})
    assert scrubbed(context, policy)["context"] == {
        "colour": F, "tokenish": F, "session": "s", "favouriteColour": F, "ip": F,
    }  # fmt: skip
    assert text_of("from 10.1.2.3, ::1 and 2001:db8::1 at 18:47:03", policy_from({"ip": True})) == (
        f"from {F}, {F} and {F} at 18:47:03"
    )
    assert text_of("colour=red", policy) == f"colour={F}"
    assert text_of("password=x", ScrubPolicy(enabled=False)) == "password=x"
    assert policy_from({}) == DEFAULT_POLICY


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"colour": 1}, "colour"),
        ({"enabled": "yes"}, "enabled"),
        ({"keys": "password"}, "keys"),
        ({"keys": [5]}, "keys"),
        ({"patterns": ["("]}, "regular expression"),
        ({"patterns": ["x*"]}, "empty"),
        ({"patterns": ["x"] * 51}, "50"),
        ({"patterns": ["x" * 501]}, "500"),
        ([], "mapping"),
    ],
)
def test_wrong_policies_say_what_is_wrong(config: Any, words: str) -> None:
    with pytest.raises(InvalidError, match=words):
        policy_from(config)


@pytest.mark.parametrize("name", NASTY)
def test_nasty_events(name: str) -> None:
    event = event_of(NASTY[name])
    scrub(event, policy_from({"ip": True, "patterns": ["zzz+"]}))
    assert_event_shape(event)


FRAGMENTS = st.sampled_from(
    ["password", "token", "authToken", "api_key", "x", "--secret", "Authorization", "Cookie", "Bearer ", "=", ":", " ", "\n", '"']
    + ["'", "\\", "://", "@", "user", "curl -u ", "mysql -p", "-p ", " -u a:", CARD, "4111", "1", "-", "_", "ghp_", "AKIA", "sk-"]
    + ["a1B2c3D4e5F6g7H8i9J0", "eyJhbGciOiJI", ".", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "&", ",", "]", "=>"]
    + ["[Filtered]", "İ", "ſ", "K", "hunter2", "basic", "xoxb-", "hooks.slack.com/services/", "None", "str = ", '  File "a.py"\n    ']
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, max_size=12).map("".join)


@settings(max_examples=1500, deadline=None)
@given(TEXTS, TEXTS)
def test_a_rule_suspects_whatever_it_would_change(text: str, other: str) -> None:
    hay = haystack([other, text, other])
    for rule in (*RULES, ADDRESS_RULE):
        kept, count = rule.redact(text, NAMES)
        assert (count > 0) == (kept != text)
        if count:
            assert rule.suspects(hay, NAMES), rule.name


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_redacting_settles(text: str) -> None:
    for rules in (TEXT_RULES, CODE_RULES):
        once, _ = redacted(text, rules, NAMES)
        twice, _ = redacted(once, rules, NAMES)
        assert redacted(twice, rules, NAMES)[0] == twice


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, min_size=8, max_size=8))
def test_the_short_way_finds_what_looking_at_each_text_does(texts: list[str]) -> None:
    message, value, line, path, name, argument, crumb, version = (text.strip() or "x" for text in texts)
    raw = {
        "message": message, "exception": {"type": "E", "value": value, "frames": [
            {"file": path, "line": 1, "function": "f", "in_app": True, "context_line": line, "vars": {"a": argument}}]},
        "breadcrumbs": [{"message": crumb, "data": {name: "v"}}], "modules": {"m": version},
    }  # fmt: skip
    event, expected = event_of(raw), event_of(raw)
    scrub(event)
    for text_before, text_after in zip(texts_of(expected), texts_of(event), strict=True):
        rules = CODE_RULES if text_before[0] == "code" else TEXT_RULES
        assert text_after[1] == looked_at_alone(text_before[1], rules)


def looked_at_alone(text: str, rules: Any) -> str:
    event = event_of({"message": "m", "context": {"a": text}})
    if rules is CODE_RULES:
        event = event_of({"message": "m", "frames": [{"file": "x", "line": 1, "context_line": text, "in_app": True}]})
        scrub(event)
        return str(event["frames"][0].get("context_line", ""))
    scrub(event)
    return str(event["context"]["a"])


def texts_of(event: Any) -> list[tuple[str, str]]:
    exception = event["exceptions"][0]
    frame = exception["frames"][0]
    return [
        ("text", event["message"]), ("text", exception["value"]), ("code", frame["context_line"]),
        ("text", frame["vars"]["a"]), ("text", event["breadcrumbs"][0]["message"]), ("text", event["modules"]["m"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "piece",
    ["password", "key", "a=", "token: ", "://a:", "1 ", "4111 ", "-----BEGIN PRIVATE KEY-----", "sk-", "eyJa", "curl ", "mysql -u ",
     '"\\', "--a", "basic ", "a.", "[", "1.2.", ":f", "Authorization: ", "=>", "x" * 99 + "_key", "gh", "hooks.slack.com/services/"],
)  # fmt: skip
def test_long_repetitions_take_linear_time(piece: str) -> None:
    """A pattern with catastrophic backtracking would never come back from these."""
    text = (piece * 200_000)[:200_000]
    for rule in (*RULES, ADDRESS_RULE):
        rule.suspects(haystack([text]), NAMES)
        rule.redact(text, NAMES)
    json.dumps(redacted(text, TEXT_RULES, NAMES))
