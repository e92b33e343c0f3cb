"""Alert rules: the same that `crashvault alert` does."""

from __future__ import annotations

from itertools import islice
from typing import Any

from msgspec import to_builtins

from .. import watch
from ..errors import NotFoundError
from ..output.shapes import listing
from ..storage.alerts import Rule
from ..units import parse_span
from .administration import whole_vault
from .endpoints import Answer, Call, Endpoint, Parameter
from .schemas import MuteAlert, NewAlert, TestAlert, TryAlert

_MOST_HAPPENINGS = 1_000
_SPANS = ("cooldown", "hold", "linger")


def alerts(call: Call) -> dict[str, Any]:
    mutes = call.store.alerts.mutes(call.now)
    found = [
        watch.rule_shape(rule, call.store.alerts.alerts(rule.id), mutes)
        for rule in call.store.alerts.rules()
        if call.access.project in (None, rule.project)
    ]
    return listing(found, len(found), None)


def alert(call: Call) -> dict[str, Any]:
    return _shape(call, _known(call))


def add_alert(call: Call) -> dict[str, Any]:
    whole_vault(call)
    return _shape(call, watch.add_rule(call.store, _fields(call), call.now))


def try_alert(call: Call) -> dict[str, Any]:
    whole_vault(call)
    return _tried(call, _fields(call))


def test_alert(call: Call) -> dict[str, Any]:
    return _tried(call, _known(call)._asdict())


def mute(call: Call) -> dict[str, Any]:
    whole_vault(call)
    body, rule = call.body, _known(call)
    call.store.search(call.now).parse(body.query)
    call.store.alerts.mute(rule.id, body.query, watch.end_of_mute(body.span, body.until, call.now), call.now)
    return _shape(call, rule)


def unmute(call: Call) -> dict[str, Any]:
    whole_vault(call)
    rule = _known(call)
    call.store.alerts.unmute(rule.id)
    return _shape(call, rule)


def remove_alert(call: Call) -> Answer:
    whole_vault(call)
    call.store.alerts.remove(_known(call).id)
    return Answer(None, 204)


def history(call: Call) -> dict[str, Any]:
    limit = call.query["limit"]
    rule = _named(call, call.query["alert"]).id if call.query["alert"] else None
    if rule is None:
        whole_vault(call)
    found = call.store.alerts.history(rule, limit + 1, call.query["cursor"])
    after = str(found[limit - 1][0]) if len(found) > limit else None
    return listing([watch.entry_shape(entry) for _, entry in found[:limit]], len(found[:limit]), after)


def _fields(call: Call) -> dict[str, Any]:
    given = to_builtins(call.body)
    name = given.pop("name", "") or "try"
    given.pop("since", None)
    for span in _SPANS:
        text = given[span]
        given[span] = None if text is None else 0 if text == "0" else parse_span(text)
    return watch.checked_rule(call.store, name, call.now, **given)


def _tried(call: Call, fields: dict[str, Any]) -> dict[str, Any]:
    start = watch.start_of(call.body.since, call.now)
    found = list(islice(watch.try_rule(call.store, fields, start, call.now), _MOST_HAPPENINGS + 1))
    shapes = [watch.happening_shape(one) for one in found[:_MOST_HAPPENINGS]]
    fired = sum(one["what"] == "fired" and one["told"] == "yes" for one in shapes)
    return {
        "condition": fields["condition"],
        "fired": fired,
        "complete": len(found) <= _MOST_HAPPENINGS,
        "items": shapes,
    }


def _known(call: Call) -> Rule:
    return _named(call, call.path["alert"])


def _named(call: Call, name: str) -> Rule:
    """A rule that this key may see. Raises NotFoundError."""
    rule = call.store.alerts.require(name.replace("\0", ""))
    if call.access.project not in (None, rule.project):
        raise NotFoundError(f"there is no alert {name!r}")
    return rule


def _shape(call: Call, rule: Rule) -> dict[str, Any]:
    return watch.rule_shape(rule, call.store.alerts.alerts(rule.id), call.store.alerts.mutes(call.now))


_HISTORY = (
    Parameter("alert", "Only of this rule."),
    Parameter("limit", "How many at most.", "integer", 50, least=1),
    Parameter("cursor", "Where to go on: next_cursor of the answer before.", "integer", None, most=1 << 62),
)
ENDPOINTS = (
    Endpoint("GET", "/api/v1/alerts", "read", alerts, "Alert rules, and which of them fire.", "Items", tag="alerts"),
    Endpoint("POST", "/api/v1/alerts", "admin", add_alert, "Make an alert rule.", "Alert", body=NewAlert, status=201, writes=True, tag="alerts"),
    Endpoint("GET", "/api/v1/alerts/history", "read", history, "What has fired and ended, the latest first.", "Items", _HISTORY, tag="alerts"),
    Endpoint("POST", "/api/v1/alerts/test", "admin", try_alert, "When a rule that is not made yet would have fired.", "TriedAlert", body=TryAlert, tag="alerts"),
    Endpoint("GET", "/api/v1/alerts/{alert:name}", "read", alert, "One rule, by its name.", "Alert", tag="alerts"),
    Endpoint("DELETE", "/api/v1/alerts/{alert:name}", "admin", remove_alert, "Remove a rule with its history.", "", status=204, writes=True, tag="alerts"),
    Endpoint("POST", "/api/v1/alerts/{alert:name}/test", "read", test_alert, "When this rule would have fired.", "TriedAlert", body=TestAlert, tag="alerts"),
    Endpoint("POST", "/api/v1/alerts/{alert:name}/mute", "admin", mute, "Keep a rule quiet, or what a query finds.", "Alert", body=MuteAlert, writes=True, tag="alerts"),
    Endpoint("POST", "/api/v1/alerts/{alert:name}/unmute", "admin", unmute, "Let a rule speak again.", "Alert", writes=True, tag="alerts"),
)  # fmt: skip
