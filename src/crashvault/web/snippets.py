"""What to paste into a program so that its crashes come here, for each language."""

from __future__ import annotations

from typing import NamedTuple


class Snippet(NamedTuple):
    name: str
    install: str
    code: str


_PYTHON = """import sentry_sdk

sentry_sdk.init("DSN", release="shop@1.0")

1 / 0  # try it"""
_JAVASCRIPT = """import * as Sentry from "@sentry/browser";

Sentry.init({ dsn: "DSN", release: "shop-web@1.0" });

setTimeout(() => { throw new Error("try it"); });"""
_NODE = """const Sentry = require("@sentry/node");

Sentry.init({ dsn: "DSN", release: "api@1.0" });

Sentry.captureException(new Error("try it"));"""
_JAVA = """import io.sentry.Sentry;

Sentry.init(options -> { options.setDsn("DSN"); options.setRelease("billing@1.0"); });

Sentry.captureException(new IllegalStateException("try it"));"""
_GO = """import "github.com/getsentry/sentry-go"

sentry.Init(sentry.ClientOptions{Dsn: "DSN", Release: "stock@1.0"})
defer sentry.Flush(2 * time.Second)

sentry.CaptureException(errors.New("try it"))"""
_RUST = """let _guard = sentry::init(("DSN", sentry::ClientOptions {
    release: sentry::release_name!(), ..Default::default()
}));

panic!("try it");"""
_RUBY = """require "sentry-ruby"

Sentry.init { |config| config.dsn = "DSN" }

Sentry.capture_message("try it")"""
_PHP = """require "vendor/autoload.php";

\\Sentry\\init(["dsn" => "DSN"]);

throw new RuntimeException("try it");"""
_DOTNET = """using Sentry;

using var sentry = SentrySdk.Init("DSN");

throw new InvalidOperationException("try it");"""
_CURL = """curl URL/api/v1/events -H 'Authorization: Bearer KEY' \\
  -H 'Content-Type: application/json' -d '{"message": "try it", "level": "error"}'"""
_OTLP = """export OTEL_EXPORTER_OTLP_ENDPOINT=URL
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf
opentelemetry-instrument python app.py"""
_SNIPPETS = (
    Snippet("Python", "pip install sentry-sdk", _PYTHON),
    Snippet("Browser", "npm install @sentry/browser", _JAVASCRIPT),
    Snippet("Node", "npm install @sentry/node", _NODE),
    Snippet("Java", "implementation 'io.sentry:sentry:8.+'", _JAVA),
    Snippet("Go", "go get github.com/getsentry/sentry-go", _GO),
    Snippet("Rust", "cargo add sentry", _RUST),
    Snippet("Ruby", "gem install sentry-ruby", _RUBY),
    Snippet("PHP", "composer require sentry/sentry", _PHP),
    Snippet(".NET", "dotnet add package Sentry", _DOTNET),
    Snippet("OpenTelemetry", "pip install opentelemetry-distro opentelemetry-exporter-otlp-proto-http", _OTLP),
    Snippet("HTTP", "", _CURL),
)


def snippets(dsn: str) -> list[Snippet]:
    """Those of all languages, for one project."""
    scheme, _, rest = dsn.partition("://")
    url = f"{scheme}://{rest.rpartition('@')[2].rpartition('/')[0]}"
    return [one._replace(code=one.code.replace("DSN", dsn).replace("URL", url)) for one in _SNIPPETS]
