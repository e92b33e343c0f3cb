"""The description of the HTTP interface in OpenAPI 3.1, made from the endpoints, and a page of it for people."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .. import __version__
from . import doors, health, tail
from .described import Address, Content, Parameter
from .endpoints import Endpoint, summary
from .errors import JSON
from .schemas import components

_ABOUT = """Takes crashes from any Sentry SDK, OTLP exporter and HTTP client, and lets programs read and triage them.
Times are UTC in ISO 8601 with Z. Every error has the shape of ErrorAnswer, and every answer an X-Request-ID."""
_ERRORS = {
    "400": "The request is malformed, or its query is wrong.",
    "401": "A key is needed, or is not known.",
    "403": "The key may not do that.",
    "404": "There is no such thing.",
    "408": "The body did not come in time.",
    "409": "It conflicts with what is there.",
    "413": "The body is too large.",
    "415": "The body's encoding or type is not known.",
    "422": "The body or a parameter has a wrong field, which is named.",
    "429": "Too many requests; Retry-After says when to come again.",
    "500": "Something went wrong here; it is logged and counted.",
    "503": "Too busy, or the store is away; Retry-After says when to come again.",
}
_WRONG_READING = ("400", "401", "403", "404", "422", "429", "503")
_WRONG_WRITING = ("400", "401", "403", "404", "409", "413", "422", "429", "503")

Document = dict[str, Any]


def document(endpoints: Sequence[Endpoint]) -> Document:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        path = re.sub(r"\{(\w+):(?:id|name)\}", r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint)
    for address in _OTHERS:
        paths.setdefault(address.path, {}).update(_operations(address))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Crashvault", "version": __version__, "description": _ABOUT, "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"key": []}],
        "tags": [{"name": name} for name in ("ingest", "issues", "events", "stats", "projects", "keys", "webhooks", "alerts", "retention", "server")],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": components(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }  # fmt: skip


def _operation(endpoint: Endpoint) -> Document:
    found: Document = {
        "summary": summary(endpoint),
        "operationId": endpoint.run.__name__,
        "tags": [endpoint.tag],
        "x-scope": endpoint.scope,
        "responses": {str(endpoint.status): _success(endpoint)}
        | _errors(_WRONG_WRITING if endpoint.writes else _WRONG_READING),
    }
    parameters = [*_path_parameters(endpoint.path), *map(_parameter, endpoint.parameters)]
    if parameters:
        found["parameters"] = parameters
    if endpoint.body is not None:
        found["requestBody"] = _body(endpoint.body.__name__)
    return found


def _success(endpoint: Endpoint) -> Document:
    if endpoint.status == 204:
        return {"description": "Done."}
    if not endpoint.answer:
        return {"description": "The content.", "content": {"application/octet-stream": {}}}
    answer: Document = {"description": "Done."}
    fields = any(parameter.name == "fields" for parameter in endpoint.parameters)
    # With `fields` an answer has a part of what its schema requires.
    answer["content"] = {JSON: {"schema": {"type": "object"} if fields else _reference(endpoint.answer)}}
    if fields:
        answer["content"][JSON]["schema"]["description"] = f"{endpoint.answer}, or the fields of it that were asked for"
    return answer


def _errors(statuses: Sequence[str]) -> Document:
    answer = {JSON: {"schema": _reference("ErrorAnswer")}}
    return {status: {"description": _ERRORS[status], "content": answer} for status in statuses}


def _path_parameters(path: str, patterns: Mapping[str, str] = {}) -> Iterator[Document]:
    for name, kind in re.findall(r"\{(\w+)(:id|:name)?\}", path):
        schema = {"type": "integer", "minimum": 0} if kind == ":id" else {"type": "string", "minLength": 1}
        if name in patterns:
            schema["pattern"] = f"^{patterns[name]}$"
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> Document:
    schema: Document = {"type": parameter.kind}
    if parameter.kind == "integer":
        schema |= {"minimum": parameter.least, "maximum": parameter.most}
    if parameter.choices:
        schema["enum"] = list(parameter.choices)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {"name": parameter.name, "in": "query", "description": parameter.about, "schema": schema}


def _reference(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _body(name: str) -> Document:
    return {"required": True, "content": {JSON: {"schema": _reference(name)}}}


# Addresses that are no Endpoint: those that take events, and those that tell of the server


def _operations(address: Address) -> Iterator[tuple[str, Document]]:
    for method in address.methods:
        found: Document = {"summary": address.about, "tags": [address.tag], "responses": _answers(address)}
        parameters = [*_path_parameters(address.path, doors.PLACES), *map(_parameter, address.parameters)]
        if parameters:
            found["parameters"] = parameters
        if address.takes.types and method == "POST":
            found["requestBody"] = {"required": address.methods == ("POST",), "content": _content(address.takes)}
        if address.scope:
            found["x-scope"] = address.scope
        else:
            found["security"] = []
        yield method.lower(), found


def _answers(address: Address) -> Document:
    answers = {
        str(status): {"description": _ERRORS.get(str(status), "Done."), "content": _content(content)}
        for status, content in address.answers.items()
    }
    error = _content(address.error)
    return answers | {str(one): {"description": _ERRORS[str(one)], "content": error} for one in address.errors}


def _content(content: Content) -> Document:
    return {
        kind: {"schema": _reference(content.schema)} if content.schema and kind == JSON else {}
        for kind in content.types
    }


_OWN = (
    Address("/api/openapi.json", "This description.", "server", {200: Content()}),
    Address("/api/docs", "This description for people.", "server", {200: Content(("text/html",))}),
)
_OTHERS: tuple[Address, ...] = (*(address for address, _ in doors.ADDRESSES), tail.ADDRESS, *health.ADDRESSES, *_OWN)


# Routes


def routes(endpoints: Sequence[Endpoint]) -> list[Route]:
    """The description and its page, made once."""
    described = document(endpoints)
    as_json = json.dumps(described, indent=2).encode()
    page = "".join(_page(described)).encode()

    async def openapi(request: Request) -> Response:
        return Response(as_json, media_type=JSON)

    async def docs(request: Request) -> Response:
        policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        return Response(page, media_type="text/html", headers={"Content-Security-Policy": policy})

    async def style(request: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    async def start(request: Request) -> Response:
        return RedirectResponse("/api/docs")

    return [
        Route("/", start),
        *(Route(address.path, serve) for address, serve in zip(_OWN, (openapi, docs), strict=True)),
        Route("/api/docs.css", style),
    ]


def _page(described: Document) -> Iterator[str]:
    info = described["info"]
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Crashvault API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/api/docs.css">'
        f"</head><body><header><h1>Crashvault API</h1><p>Version {html.escape(info['version'])}. "
        f'{html.escape(info["description"])} <a href="/api/openapi.json">OpenAPI 3.1</a></p></header><main>'
    )
    groups: dict[str, list[tuple[str, str, Document]]] = {tag["name"]: [] for tag in described["tags"]}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            groups[operation["tags"][0]].append((method, path, operation))
    for name, members in groups.items():
        yield f'<section aria-labelledby="{name}"><h2 id="{name}">{name.capitalize()}</h2>'
        for member in members:
            yield from _shown_operation(*member)
        yield "</section>"
    yield "<section><h2>Schemas</h2>"
    for name, schema in described["components"]["schemas"].items():
        shown = html.escape(json.dumps(schema, indent=2))
        yield f'<details id="schema-{name}"><summary>{name}</summary><pre>{shown}</pre></details>'
    yield "</section></main></body></html>"


def _shown_operation(method: str, path: str, operation: Document) -> Iterator[str]:
    scope = f'<span class="scope">scope {operation["x-scope"]}</span>' if "x-scope" in operation else ""
    yield f'<details><summary><b class="{method}">{method.upper()}</b> <code>{html.escape(path)}</code> '
    yield f"{html.escape(operation['summary'])} {scope}</summary>"
    parameters = operation.get("parameters", [])
    if parameters:
        yield "<table><thead><tr><th>parameter</th><th>in</th><th>type</th><th>meaning</th></tr></thead><tbody>"
        for one in parameters:
            kind = html.escape(_shown_type(one["schema"]))
            about = html.escape(one.get("description", ""))
            yield f"<tr><td><code>{one['name']}</code></td><td>{one['in']}</td><td>{kind}</td><td>{about}</td></tr>"
        yield "</tbody></table>"
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: <code>{kind}</code> {_link(content.get('schema', {}))}</p>"
    yield "<ul>"
    for status, answer in operation["responses"].items():
        contents: list[Document] = list(answer.get("content", {}).values())
        schema = contents[0].get("schema", {}) if contents else {}
        yield f"<li><b>{status}</b> {html.escape(answer['description'])} {_link(schema)}</li>"
    yield "</ul></details>"


def _shown_type(schema: Document) -> str:
    if "enum" in schema:
        return ", ".join(schema["enum"])
    if "maximum" in schema:
        return f"{schema['minimum']}–{schema['maximum']}, default {schema.get('default', '-')}"
    return str(schema.get("type", "string"))


def _link(schema: Document) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    return f'<a href="#schema-{name}">{name}</a>' if name else ""


_STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --mark: #0a6ebd; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; } summary b { color: var(--mark); }
.scope { color: var(--quiet); font-size: .85rem; } .delete { color: #c0392b; }
table { border-collapse: collapse; display: block; overflow-x: auto; } th, td { border-bottom: 1px solid var(--line);
padding: .2rem .8rem .2rem 0; text-align: left; } pre { overflow-x: auto; } a { color: var(--mark); }
""".strip()
