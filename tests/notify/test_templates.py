"""Templates: what they can name, what is refused, and that none of them can hang, flood or escape."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import crashvault
from crashvault.errors import InvalidError
from crashvault.notify import templates
from crashvault.notify.rendering import FILTERS
from crashvault.notify.templates import OUTPUT, SOURCE, VARIABLES, TemplateError, check, render
from crashvault.webhooks.base import KINDS, Notification
from crashvault.webhooks.samples import sample


def event(**parts: object) -> Notification:
    plain = sample("event")
    return dataclasses.replace(plain, event={**(plain.event or {}), **parts})


def test_variables_are_those_that_are_documented() -> None:
    assert templates.variables(sample("event")).keys() == VARIABLES.keys()
    for name in VARIABLES:
        assert render(f"{{{{ {name} is defined }}}}", sample("event")) == "True"


def test_a_template_says_what_its_author_wants() -> None:
    source = "{{ event.exception.type }} in {{ event.frames[-1].function }} ({{ issue.count }}x) {{ links.issue }}\n{% for tag in event.tags %}#{{ tag }} {% endfor %}"
    assert render(source, sample("event")) == "KeyError in pay (128x) https://crashes.example/issues/7\n#db #region=eu "
    assert render("{% for h in held %}{{ h.events }}x {{ h.issue.title }}; {% endfor %}", sample("summary")).startswith(
        "40x KeyError"
    )
    assert (
        render(
            "{{ message.heading }}|{{ message.facts[0].name }}|{{ project }}|{{ kind }}|{{ count }}", sample("event")
        )
        == "❌ KeyError: 'visa'|Level|default|event|3"
    )


def test_nothing_is_escaped_by_itself() -> None:
    assert render("{{ event.message }}", event(message="<b> & *c*")) == "<b> & *c*"


@pytest.mark.parametrize(
    "source, shown",
    [
        ("{{ event.message|slack }}", "&lt;b&gt; &amp; *c* \"d\"\ne"), ("{{ event.message|html }}", "&lt;b&gt; &amp; *c* &quot;d&quot;\ne"),
        ("{{ event.message|discord }}", "\\<b> & \\*c\\* \"d\"\ne"), ("{{ event.message|markdown }}", "&lt;b\\> & \\*c\\* \"d\"\ne"),
        ("{{ event.message|json }}", '"<b> & *c* \\"d\\"\\ne"'), ("{{ event.message|one_line }}", '<b> & *c* "d" e'),
        ("{{ event.message|cut(6) }}", "<b> &…"), ("{{ event.nothing|slack }}|{{ event.nothing.at.all|json }}", "|null"),
        ("{{ event.message|cut_start(5) }}", '…\n"\ne'), ("{{ event|stack }}", None), ("{{ event.timestamp|time }}", "2026-01-02 03:04:05"),
    ],
)  # fmt: skip
def test_filters_escape_for_each_service(source: str, shown: str | None) -> None:
    made = render(source, event(message='<b> & *c* "d"\ne'))
    assert made == shown or (shown is None and made.endswith("KeyError: 'visa'"))


def test_json_made_of_anything_is_json() -> None:
    hostile = 'x"\\\u2028\n</script>💥'
    assert (
        json.loads(render('{"a": {{ event.message|json }}, "b": {{ event|json }}}', event(message=hostile)))["a"]
        == hostile
    )


def test_every_filter_is_documented() -> None:
    page = Path(__file__).parents[2] / "docs" / "webhooks.md"
    text = page.read_text("utf-8")
    assert all(f"`{name}`" in text for name in [*FILTERS, *VARIABLES])


@pytest.mark.parametrize(
    "source, line, told",
    [
        ("one\n{{ event.message", 2, "unexpected end"), ("{% if %}", 1, "Expected an expression"), ("\n\n{% for x in y %}", 3, ""),
        ("a\n{{ evnt.message }}", 2, "no variable 'evnt'. Did you mean event"),
        ("\n{{ issue.titel }}", 2, "'issue' has no member 'titel'. Did you mean issue.title?"),
        ("{{ alert['nmae'] }}", 1, "Did you mean alert.name?"), ("{{ links.pages }}", 1, "There are: cli, event, issue"), ("{{ event|shout }}", 1, "No filter named 'shout'"),
        ("\n{{ 1 / 0 }}", 2, "division by zero"), ("\n\n{{ count + 'x' }}", 3, "unsupported operand"), ("{% include 'x' %}", 1, "no loader"),
        ("{{ 2 ** 3 }}", 1, "** is not for templates"),
    ],
)  # fmt: skip
def test_broken_templates_are_refused_with_the_line(source: str, line: int, told: str) -> None:
    with pytest.raises(TemplateError) as refused:
        check(source)
    assert refused.value.line == line and told in str(refused.value), str(refused.value)
    assert isinstance(refused.value, InvalidError) and refused.value.status == 400


def test_a_template_that_fails_for_one_kind_only_is_refused() -> None:
    with pytest.raises(TemplateError, match="messages of kind resolved"):
        check("{% if kind == 'resolved' %}{{ 1 / 0 }}{% endif %}")
    check("{{ event.exception.type }} {{ alert.name }} {{ held[0].issue.title }}")  # not each kind has each of them


BOMBS = {
    "endless": "{% for a in range(99999) %}{% for b in range(99999) %}{% for c in range(99999) %}{% set x = a * b %}{% endfor %}{% endfor %}{% endfor %}",
    "flood": "{% for a in range(99999) %}{% for b in range(99999) %}flood {% endfor %}{% endfor %}",
    "long text": "{{ 'a' * 10000000000 }}",
    "long at run time": "{{ event.message * 4000000000 }}",
    "padded": "{{ 'a'|center(9999999999) }}",
    "formatted": "{{ '%9999999999d'|format(1) }}",
    "range": "{% for a in range(10000000000) %}{% endfor %}",
    "doubling": "{% set ns = namespace(x='aaaaaaaaaa') %}{% for a in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x|length }}",
    "power": "{{ 9 ** 9 ** 9 ** 9 }}",
    "powers": "{% set ns = namespace(x=9) %}{% for a in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}{{ ns.x }}",
    "recursion": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "deep source": "{{ " + "(" * 30_000 + "1" + ")" * 30_000 + " }}",
    "deep blocks": "{% if 1 %}" * 6_000,
    "wide list": "{{ [[1] * 1000000] * 1000000 }}",
    "batches": "{{ 'ab'|list|batch(999999999, 'x')|list|length }}",
    "indent": "{% for a in range(99999) %}{{ ('a\n' * 100000)|indent(100000)|length }}{% endfor %}",
    "sort": "{% for a in range(99999) %}{{ range(99999)|list|sort|length }}{% endfor %}",
    "too long": "x" * (SOURCE + 1),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_no_template_hangs_or_eats_memory(bomb: str) -> None:
    before = os.times()
    with pytest.raises(TemplateError) as refused:
        render(BOMBS[bomb], event(message="x"))
    after = os.times()
    spent = after.user + after.system + after.children_user + after.children_system
    assert spent - before.user - before.system - before.children_user - before.children_system < 6
    assert str(refused.value).isprintable()
    assert render("{{ kind }}", sample("event")) == "event", "the next one is rendered as ever"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}", "{{ event.__class__ }}", "{{ cycler.__init__.__globals__ }}", "{{ self._TemplateReference__context }}",
        "{{ ''|attr('__class__') }}", "{{ (1).__class__.__base__.__subclasses__() }}", "{{ joiner.__init__.__globals__.os.popen('id').read() }}",
        "{{ '{0.__class__}'.format(1) }}", "{{ '%s'.__mod__ }}", "{{ event.update({'a': 1}) }}", "{{ event.tags.append('x') }}", "{{ namespace.__init__.__globals__ }}",
    ],
)  # fmt: skip
def test_no_template_gets_out(source: str) -> None:
    try:
        made = render(source, sample("event"))
    except TemplateError as error:
        made = str(error)
    assert "class '" not in made and "uid=" not in made and "built-in" not in made and "function" not in made, made


def test_output_up_to_the_limit_is_whole() -> None:
    assert len(render(f"{{{{ 'x' * {OUTPUT} }}}}", sample("event"))) == OUTPUT
    with pytest.raises(TemplateError, match="256 KiB"):
        render(f"{{{{ 'x' * {OUTPUT} }}}}y", sample("event"))


def test_a_large_event_is_rendered() -> None:
    assert render("{{ event.context.x|length }}", event(context={"x": "💥" * 250_000})) == "250000"


def test_several_threads_share_the_process() -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: render(f"{{{{ {number} + 1 }}}}", sample("event")), range(100)))
    assert made == [str(number + 1) for number in range(100)]


def test_a_process_that_was_killed_is_replaced() -> None:
    render("x", sample("event"))
    process = templates._renderer.process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert render("x", sample("event")) == "x"


def test_nothing_of_the_current_directory_is_run(tmp_path: Path) -> None:
    for name in ("jinja2", "json", "crashvault"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('taken over')")
    program = "import sys; sys.path.remove(''); from crashvault.notify.templates import render; from crashvault.webhooks.samples import sample; print(render('{{ kind }}', sample('event')))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(crashvault.__file__).parents[1]), "PYTHONSAFEPATH": ""},
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("event\n", 0), done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_rendering_is_the_same_each_time(kind: str) -> None:
    source = "{{ event|json }}{{ issue|json }}{{ message|json }}"
    assert render(source, sample(kind)) == render(source, sample(kind))


def test_what_a_template_sets_itself_has_the_members_it_has() -> None:
    check(
        "{% for one in held %}{{ one.issue.title }}{% endfor %}{% set event = message %}{{ event.heading }}{{ issue.items and issue.keys }}"
    )
    check("{{ event.context.anything.at.all }}{{ event['user'].shoe_size }}")
