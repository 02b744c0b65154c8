"""The Helm chart, linted and rendered by a real helm. No cluster was there to install it in."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monoskope.client.known.table import VARIABLES
from monoskope.client.settings import parse_identities
from monoskope.host_port import HostPort
from monoskope.m8 import settings as m8_settings
from monoskope.m8.init import lay_out
from monoskope.monoctl.input.rotation_file import parse as rotations
from monoskope.reactor import settings as reactor_settings
from tools.get_helm import find

CHART = Path(__file__).resolve().parents[3] / "deploy" / "helm" / "monoskope"

REACTOR = """
m8: {egress: [{ports: [{port: 6514, protocol: TCP}]}], bundle: "{}\\n"}
reactor: {ca: "PEM\\n"}
reactors:
  - store: vault
    secretName: monoskope-reactor-vault
    tokenAudience: openbao
    engines: [{ipBlock: {cidr: 10.0.0.7/32}}]
    settings: |
      prefixes = ["team-a"]
      [engine]
      type = "vault"
      address = "https://openbao.example.org:8200"
      [engine.auth]
      method = "kubernetes"
      role = "monoskope"
      jwt_file = "/var/run/secrets/tokens/engine"
"""

ROTATION = f"""
rotation:
  enabled: true
  ca: "PEM\\n"
  identities: ["vault=SHA256:{"a" * 43}", "pg=SHA256:{"b" * 43}"]
  file: |
    kind: Rotation
    secret: vault://orders/db
    accounts: [pg://orders_a, pg://orders_b]
    every: 30d
"""

Manifest = dict[str, Any]


@pytest.fixture(scope="module")
def helm() -> str:
    found = find()
    if found is None:
        pytest.skip("there is no helm here: python tools/get_helm.py puts it into build/helm")
    return str(found)


def run(helm: str, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm without the settings of whoever runs the tests."""
    environment = {"HOME": str(home), "PATH": os.environ["PATH"]}
    return subprocess.run([helm, *arguments], capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def manifests(helm: str, tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    """What the chart makes of one reactor and the defaults."""
    home = tmp_path_factory.mktemp("helm")
    values = home / "values.yaml"
    values.write_text(REACTOR + ROTATION, encoding="utf-8")
    ran = run(helm, home, "template", "m8", str(CHART), "--values", str(values))
    assert ran.returncode == 0, ran.stderr
    return [manifest for manifest in yaml.safe_load_all(ran.stdout) if manifest]


def pods(manifests: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the name of each deployment and each job with the specification of its pods."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if manifest["kind"] in {"Deployment", "CronJob"}:
            yield manifest["metadata"]["name"], spec["template"]["spec"]


def one(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    (found,) = (each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def test_helm_has_nothing_to_complain_about(helm: str, tmp_path: Path) -> None:
    ran = run(helm, tmp_path, "lint", "--strict", str(CHART))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_pod_fits_the_restricted_pod_security_standard(manifests: list[Manifest]) -> None:
    found = dict(pods(manifests))
    assert set(found) == {"m8-m8", "m8-reactor-vault", "m8-rotation"}
    for pod in found.values():
        security = pod["securityContext"]
        assert security["runAsNonRoot"]
        assert security["runAsUser"] >= 10_000
        assert security["seccompProfile"]["type"] == "RuntimeDefault"
        assert not pod["automountServiceAccountToken"]
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        for container in pod["containers"] + pod.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
        kinds = {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]}
        assert kinds <= {"configMap", "emptyDir", "projected", "secret"}


def test_the_settings_are_toml_and_name_what_is_placed_beside_them(manifests: list[Manifest]) -> None:
    m8 = tomllib.loads(one(manifests, "ConfigMap", "m8-m8")["data"]["m8.toml"])
    assert m8["database"].startswith("postgresql://")
    assert m8["database_password_file"] == "database-password"
    assert m8["operations_listen"].startswith("127.0.0.1:")
    reactor = one(manifests, "ConfigMap", "m8-reactor-vault")["data"]
    settings = tomllib.loads(reactor["reactor.toml"])
    assert settings["server"] == "m8-m8:7443"
    assert settings["store"] == "vault"
    assert settings["ca_file"] in reactor


def test_the_folder_of_a_reactor_is_made_for_its_owner_alone_by_an_init_container(manifests: list[Manifest]) -> None:
    """Everybody can write an emptyDir itself, and a reactor takes no list of signers from such a folder."""
    pod = dict(pods(manifests))["m8-reactor-vault"]
    (init,) = pod["initContainers"]
    ((folder,), (inner,)) = (
        [mount for mount in container["volumeMounts"] if mount["name"] == "folder"]
        for container in (init, *pod["containers"])
    )
    assert f"{folder['mountPath']}/{inner['subPath']}" == init["args"][-1]


def test_m8_and_reactors_take_the_settings_of_the_chart(manifests: list[Manifest], tmp_path: Path) -> None:
    for name in ("m8-m8", "m8-reactor-vault"):
        (tmp_path / name).mkdir()
        for file, text in one(manifests, "ConfigMap", name)["data"].items():
            (tmp_path / name / file).write_text(text, encoding="utf-8")
    authority = lay_out(folder=tmp_path / "new", listen=HostPort("127.0.0.1", 0)).folder / "ca.crt"
    shutil.copy(authority, tmp_path / "m8-m8" / "database-ca.crt")  # of the Secret, as the password is
    (tmp_path / "m8-m8" / "database-password").touch(mode=0o600)
    (tmp_path / "m8-m8" / "database-password").write_text("x", encoding="utf-8")
    assert m8_settings.load(tmp_path / "m8-m8").operations_listen == HostPort("127.0.0.1", 7444)
    assert reactor_settings.read(tmp_path / "m8-reactor-vault").operations_listen == HostPort("127.0.0.1", 7445)


def test_the_bundle_is_placed_byte_for_byte(manifests: list[Manifest]) -> None:
    found = one(manifests, "ConfigMap", "m8-m8")
    assert base64.b64decode(found["binaryData"]["bundle.json"]) == b"{}\n"
    assert tomllib.loads(found["data"]["m8.toml"])["bundle"] == "bundle.json"


@pytest.mark.parametrize(("name", "file"), [("m8-m8", "m8.toml"), ("m8-reactor-vault", "reactor.toml")])
def test_each_is_probed_where_it_answers(name: str, file: str, manifests: list[Manifest]) -> None:
    (container,) = dict(pods(manifests))[name]["containers"]
    listener = tomllib.loads(one(manifests, "ConfigMap", name)["data"][file])["operations_listen"]
    assert listener.startswith("127.0.0.1:")
    assert container["livenessProbe"]["exec"]["command"][-1] == f"http://{listener}/healthz"
    assert container["readinessProbe"]["exec"]["command"][-1] == f"http://{listener}/readyz"


def test_m8_stays_while_nodes_are_drained(manifests: list[Manifest]) -> None:
    deployment = one(manifests, "Deployment", "m8-m8")
    assert deployment["spec"]["replicas"] == 3
    budget = one(manifests, "PodDisruptionBudget", "m8-m8")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels
    assert one(manifests, "Service", "m8-m8")["spec"]["selector"].items() <= labels


def test_nobody_may_dial_a_reactor_and_m8_dials_only_its_database(manifests: list[Manifest]) -> None:
    reactor = one(manifests, "NetworkPolicy", "m8-reactor-vault")["spec"]
    assert reactor["policyTypes"] == ["Ingress", "Egress"]
    assert reactor["ingress"] == []
    m8 = one(manifests, "NetworkPolicy", "m8-m8")["spec"]
    assert [port["port"] for rule in m8["ingress"] for port in rule["ports"]] == [7443]
    assert {port["port"] for rule in m8["egress"] for port in rule["ports"]} == {5432, 53, 6514}
    rotation = one(manifests, "NetworkPolicy", "m8-rotation")["spec"]
    assert (rotation["policyTypes"], rotation["ingress"]) == (["Ingress", "Egress"], [])
    assert {port["port"] for rule in rotation["egress"] for port in rule["ports"]} == {7443, 53}


def test_the_job_rotates_what_is_due_with_what_is_mounted(manifests: list[Manifest]) -> None:
    (container,) = dict(pods(manifests))["m8-rotation"]["containers"]
    words = [*container["command"][1:], *container["args"]]
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert container["command"] == ["/opt/monoskope/bin/monoctl"]
    assert (words[:3], words[-1]) == (["rotate", "secret", "-f"], "--due")
    settings = one(manifests, "ConfigMap", "m8-rotation")["data"]
    assert {f"/settings/{name}" for name in settings} == {words[3], variables["MONOCTL_CA_FILE"]}
    assert rotations(settings["rotations.yaml"].encode(), "rotations.yaml")
    assert set(variables) <= VARIABLES
    assert set(parse_identities(variables["MONOCTL_STORE_IDENTITY"].split())) == {"vault", "pg"}
    assert one(manifests, "CronJob", "m8-rotation")["spec"]["concurrencyPolicy"] == "Forbid"


@pytest.mark.parametrize(
    "wrong",
    [
        "m8.database.url=postgresql://m8:hunter2@db/m8",
        "m8.database.url=postgresql://m8@db/m8?password=hunter2",
        "m8.database.url=mysql://m8@db/m8",
        "m8.replica=3",
        "m8.replicas=0",
    ],
)
def test_values_that_break_a_rule_are_refused(wrong: str, helm: str, tmp_path: Path) -> None:
    ran = run(helm, tmp_path, "template", "m8", str(CHART), "--set", wrong)
    assert ran.returncode != 0
    assert "/m8" in ran.stderr or "m8." in ran.stderr


def test_reactors_need_the_ca_of_m8(helm: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(REACTOR.replace("PEM\\n", ""), encoding="utf-8")
    ran = run(helm, tmp_path, "template", "m8", str(CHART), "--values", str(values))
    assert ran.returncode != 0
    assert "reactor.ca" in ran.stderr
