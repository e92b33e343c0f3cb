"""The files for deployment: they hold together, name settings that exist, and are read by their programs where those are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT

from crashvault.config import SETTINGS, parse_value

DEPLOY = ROOT / "examples" / "deploy"
VARIABLES = {setting.variable: name for name, setting in SETTINGS.items() if setting.variable}
KINDS = {
    "Namespace": "v1",
    "Secret": "v1",
    "Service": "v1",
    "PodDisruptionBudget": "policy/v1",
    "StatefulSet": "apps/v1",
}


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8")))


def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))
    named = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert len(named) == len(found)
    return named


def check_variables(given: dict[str, str | None]) -> None:
    for name, value in given.items():
        if name == "CRASHVAULT_HOME":
            continue
        assert name in VARIABLES, f"there is no setting with the variable {name}"
        if value is not None and "$" not in value:
            parse_value(VARIABLES[name], value)


def test_compose() -> None:
    found = compose()
    assert set(found) - {"name", "services", "volumes", "networks"} == {"x-node"}
    services = found["services"]
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        assert set(service.get("depends_on", ())) <= set(services), name
        assert set(service["networks"]) <= set(found["networks"]), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in found["volumes"], volume
        for condition in service["depends_on"].values() if isinstance(service.get("depends_on"), dict) else ():
            assert condition == {"condition": "service_healthy"}
    nodes = [service for name, service in services.items() if name.startswith("node")]
    assert len(nodes) == 3 and len({service["volumes"][0] for service in nodes}) == 3, "each has a spool of its own"
    for service in nodes:
        check_variables(service["environment"])
    assert "healthcheck" in services["database"]


def test_kubernetes() -> None:
    found = manifests()
    for (kind, _), one in found.items():
        assert one["apiVersion"] == KINDS[kind]
        assert kind == "Namespace" or one["metadata"]["namespace"] == "crashvault"
    nodes = found["StatefulSet", "crashvault"]["spec"]
    labels = nodes["template"]["metadata"]["labels"]
    assert nodes["selector"]["matchLabels"] == labels
    assert found["PodDisruptionBudget", "crashvault"]["spec"]["selector"]["matchLabels"] == labels
    assert ("Service", nodes["serviceName"]) in found
    pod = nodes["template"]["spec"]
    (container,) = pod["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for service in (one["spec"] for (kind, _), one in found.items() if kind == "Service"):
        assert service["selector"] == labels
        assert {port["targetPort"] for port in service["ports"]} <= set(ports)
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[probe]["httpGet"]
        assert asked["port"] in ports and asked["path"].startswith("/api/health/")
    secret = found["Secret", "crashvault-database"]["stringData"]
    for variable in container["env"]:
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        assert reference is None or (reference["name"] == "crashvault-database" and reference["key"] in secret)
    check_variables({variable["name"]: variable.get("value") for variable in container["env"]})
    claims = {claim["metadata"]["name"] for claim in nodes["volumeClaimTemplates"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == claims
    assert pod["terminationGracePeriodSeconds"] > SETTINGS["server.shutdown_timeout"].default


def test_the_addresses_of_databases_can_be_read() -> None:
    pytest.importorskip("psycopg")
    from crashvault.storage.urls import parse_url

    secret = manifests()["Secret", "crashvault-database"]["stringData"]
    assert parse_url(secret["url"])["target_session_attrs"] == "read-write"
    assert parse_url(secret["replica"])["host"] == "postgres-b,postgres-a"


def test_the_proxies_name_the_nodes() -> None:
    text = (DEPLOY / "haproxy.cfg").read_text("utf-8")
    servers = dict(re.findall(r"^    server (\w+) (\w+):5678 ", text, re.M))
    assert set(servers.values()) == {name for name in compose()["services"] if name.startswith("node")}
    assert "GET /api/health/ready" in text


@pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed")
def test_nginx_reads_its_file(tmp_path: Path) -> None:
    command = ["nginx", "-t", "-q", "-c", str(DEPLOY / "nginx.conf"), "-g", f"pid {tmp_path}/pid; error_log stderr;"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
def test_haproxy_reads_its_file(tmp_path: Path) -> None:
    text = re.sub(r" (node\d):5678", " 127.0.0.1:5678", (DEPLOY / "haproxy.cfg").read_text("utf-8"))
    (tmp_path / "haproxy.cfg").write_text(text)
    done = subprocess.run(
        ["haproxy", "-c", "-f", str(tmp_path / "haproxy.cfg")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
