"""The pipelines of docs/ci.md: valid by their schemas, and their scripts run as they stand, with nothing but their own
environment, on a real m8 and a real OpenBao.

What cannot be tried here (a runner, its masking, a cluster) the page says itself.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from monoskope.client.known.table import VARIABLES
from monoskope.client.login.credential import KUBERNETES as TOKEN_OF_A_POD
from monoskope.testing.cluster import Cluster
from monoskope.testing.cluster.commands import User
from monoskope.testing.parts import needed
from tests.support import issuers, scripted_issuer
from tests.support.quick_cluster import JOBS
from tests.support.schemas import faults
from tests.support.scripted_issuer import ScriptedIssuer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ci.md"
TEXT = PAGE.read_text(encoding="utf-8")
VALUE = "correct horse battery staple"
PROGRAMS = Path(sys.executable).parent


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


GITHUB, GITLAB, KUBERNETES, POD = blocks("yaml")


@dataclass(frozen=True)
class Pipeline:
    """What a project has set up: an identity and a token with the rights of the page, and the store's identity."""

    cluster: Cluster
    user: User
    github: ScriptedIssuer

    def jobs_own(self) -> str:
        """Return the token that a platform has signed for the job."""
        times = {"iat": issuers.now_s(), "exp": issuers.now_s() + 600, "jti": os.urandom(8).hex()}
        return issuers.minted({"iss": JOBS, "aud": "m8", "sub": "job"} | times)

    @property
    def token(self) -> str:
        return self.user.token_file.read_text().strip()

    @property
    def ca(self) -> str:
        return (self.cluster.folder / "m8" / "ca.crt").read_text()

    @property
    def identity(self) -> str:
        return self.cluster.identities["vault"]

    def adapted(self, text: str) -> str:
        """Take the place of the page's m8 and of its team."""
        return text.replace("m8.example.org:7443", self.cluster.server).replace("team-a/ci", self.user.name)

    def run(self, script: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a script with these variables alone, without a home, where nobody can write."""
        variables = {name: self.adapted(value) for name, value in environment.items()}
        return subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", self.adapted(script)],
            cwd="/proc",
            env={"PATH": f"{PROGRAMS}:{os.environ.get('PATH', os.defpath)}", "HOME": "/proc/none", **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def check(self, done: subprocess.CompletedProcess[str]) -> None:
        """Check that the secret was put and verified, that the note came, and that nothing secret was shown."""
        assert done.returncode == 0, done.stderr
        assert "UPLOADED" in done.stdout or "UNCHANGED" in done.stdout
        assert "IN_SYNC" in done.stdout
        assert "for this run alone" in done.stderr
        for secret in (self.token, VALUE, "eyJ"):
            assert secret not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def pipeline(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Made by the page's own command, for another prefix."""
    binding, command, _ = blocks("sh")
    user = User("ci", cluster.folder / "ci", cluster)
    user.token_file.parent.mkdir(parents=True)
    words = shlex.split(command.replace("team-a/ci", "ci").replace("ci.token", str(user.token_file)))
    cluster.must(*words[:3], "--dir", "m8", *words[3:])
    cluster.must(
        *shlex.split(binding.replace("team-a/ci", "ci").replace("machine:gitlab:my-project", "user:jobs:job")),
        "--dir",
        "m8",
    )
    with scripted_issuer.serving(tmp_path_factory.mktemp("github")) as github:
        made = Pipeline(cluster, user, github)
        github.answers["/token"] = [(200, {"value": made.jobs_own()})]
        yield made


@pytest.mark.parametrize(("schema", "text"), [("github-workflows", GITHUB), ("gitlab-ci", GITLAB)])
def test_a_pipeline_is_valid_by_its_schema(tmp_path: Path, schema: str, text: str) -> None:
    file = tmp_path / "pipeline.yml"
    file.write_text(text, encoding="utf-8")
    assert not faults(schema, file)


def step() -> dict[str, Any]:
    """The step of the workflow that runs monoctl."""
    steps: list[dict[str, Any]] = yaml.safe_load(GITHUB)["jobs"]["put"]["steps"]
    return next(one for one in steps if "monoctl" in one.get("run", ""))


def github_variables(pipeline: Pipeline) -> dict[str, str]:
    """The step's variables, filled in as GitHub does it."""
    known = {
        "vars.M8_CA": pipeline.ca,
        "vars.VAULT_IDENTITY": pipeline.identity,
        "secrets.DEPLOY_TOKEN": VALUE,
    }
    filled = re.compile(r"\$\{\{ (\S+) \}\}")
    given = {name: filled.sub(lambda found: known[found[1]], value) for name, value in step()["env"].items()}
    of_the_runner = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{pipeline.github.url}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "the-runners-own",
        "SSL_CERT_FILE": str(pipeline.github.ca_file),
    }
    return given | of_the_runner | AUDIENCE


AUDIENCE = {"MONOCTL_LOGIN_AUDIENCE": "m8"}
"""What the cluster of the tests is called at its issuers."""


def test_the_step_of_github_puts_and_verifies(pipeline: Pipeline) -> None:
    pipeline.check(pipeline.run(step()["run"], github_variables(pipeline)))


def test_no_secret_of_github_is_part_of_a_script() -> None:
    assert "${{" not in step()["run"]


def test_the_script_of_gitlab_puts_and_verifies(pipeline: Pipeline) -> None:
    found = yaml.safe_load(GITLAB)["put-deploy-token"]
    given = {name: value.replace("$VAULT_IDENTITY", pipeline.identity) for name, value in found["variables"].items()}
    of_the_project = {
        "MONOCTL_CA_FILE": str(pipeline.cluster.folder / "m8" / "ca.crt"),
        "DEPLOY_TOKEN": VALUE,
    } | AUDIENCE
    of_the_project |= {name: pipeline.jobs_own() for name in found["id_tokens"]}

    pipeline.check(pipeline.run("\n".join(found["script"]), given | of_the_project))


def mounted(folder: Path, files: Mapping[str, str], mode: int) -> Path:
    """Lay files out as Kubernetes mounts them: links, to a link, to a folder of that time."""
    there = folder / "..2026_11_25_17_00_00.1"
    there.mkdir(parents=True)
    (folder / "..data").symlink_to(there.name)
    for name, content in files.items():
        (there / name).write_text(content)
        (there / name).chmod(mode)
        (folder / name).symlink_to(f"..data/{name}")
    return folder


def test_the_container_of_kubernetes_puts_and_verifies(pipeline: Pipeline, tmp_path: Path) -> None:
    pod = yaml.safe_load(KUBERNETES)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    content = {
        "m8": {"ca.crt": pipeline.ca, "identities": f"vault={pipeline.identity}"},
        "token": {"token": pipeline.token},
        "deploy": {"token": VALUE},
    }
    # A file of root's is given to the group, 0440. Who is not root here cannot make such a file: tests/unit/
    # test_private_files.py shows that rule for everybody.
    added = 0o040 if os.geteuid() == 0 else 0
    paths = {}
    for mount in container["volumeMounts"]:
        name = mount["name"]
        mode = 0o644 if "configMap" in volumes[name] else volumes[name]["secret"]["defaultMode"] | added
        paths[mount["mountPath"]] = str(mounted(tmp_path / name, content[name], mode))

    def moved(text: str) -> str:
        for path, there in paths.items():
            text = text.replace(path, there)
        return text

    identities = {"MONOCTL_STORE_IDENTITY": content["m8"]["identities"]}
    variables = {one["name"]: moved(one["value"]) for one in container["env"] if "value" in one}

    pipeline.check(pipeline.run(moved(container["args"][0]), variables | identities))


def test_each_job_asks_for_a_token_that_names_this_m8() -> None:
    workflow = yaml.safe_load(GITHUB)["jobs"]["put"]
    assert workflow["permissions"] == {"id-token": "write"}
    job, pod = yaml.safe_load(GITLAB)["put-deploy-token"], yaml.safe_load(POD)
    [source] = pod["volumes"][0]["projected"]["sources"]
    server = job["variables"]["MONOCTL_SERVER"]
    assert job["id_tokens"]["MONOCTL_ID_TOKEN"]["aud"] == source["serviceAccountToken"]["audience"] == server
    mounted_at = Path(pod["volumeMounts"][0]["mountPath"])
    assert mounted_at / source["serviceAccountToken"]["path"] == TOKEN_OF_A_POD


def test_a_token_file_as_kubernetes_mounts_it_by_default_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    folder = mounted(tmp_path / "token", {"token": pipeline.token}, 0o644)
    variables = github_variables(pipeline)

    done = pipeline.run("monoctl get secrets", variables | {"MONOCTL_TOKEN_FILE": str(folder / "token")})

    assert done.returncode == 3
    assert "`defaultMode: 0400`" in done.stderr


def test_a_token_may_come_from_a_pipe(pipeline: Pipeline) -> None:
    (script,) = blocks("bash")
    variables = github_variables(pipeline)

    done = pipeline.run(script, variables | {"SOME_TOKEN": pipeline.token})

    assert done.returncode == 0, done.stderr
    assert pipeline.token not in done.stdout + done.stderr


def test_curl_alone_can_ask_whether_a_secret_is_known(pipeline: Pipeline) -> None:
    needed("curl", "curl")
    pipeline.check(pipeline.run(step()["run"], github_variables(pipeline)))
    *_, script = blocks("sh")
    variables = {"MONOCTL_TOKEN": pipeline.token, "MONOCTL_CA_FILE": str(pipeline.cluster.folder / "m8" / "ca.crt")}

    known = pipeline.run(script, variables)
    unknown = pipeline.run(script.replace("/deploy", "/nothing"), variables)

    assert json.loads(known.stdout)["secret"]["uri"] == "vault://ci/deploy"
    assert unknown.returncode == 22
    assert pipeline.token not in unknown.stdout + unknown.stderr


def test_the_example_of_http_exchanges_the_token_of_a_job(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "id-token").write_text(pipeline.jobs_own())
    program = PAGE.parents[1] / "examples" / "http" / "put.py"
    words = [program, "m8.example.org:7443", pipeline.cluster.folder / "m8" / "ca.crt", "-", "vault://ci/by-http"]
    words += [pipeline.identity, "password", "--id-token-file", tmp_path / "id-token"]
    done = pipeline.run(f"printf '%s' {shlex.quote(VALUE)} | python {shlex.join(map(str, words))}", {})
    assert done.returncode == 0, done.stderr
    assert VALUE not in done.stdout + done.stderr


def test_without_the_identity_nothing_is_put(pipeline: Pipeline) -> None:
    variables = github_variables(pipeline)
    del variables["MONOCTL_STORE_IDENTITY"]

    done = pipeline.run(step()["run"], variables)

    assert done.returncode == 20
    assert "You have not agreed to it yet" in done.stderr
    assert VALUE not in done.stdout + done.stderr


def test_json_goes_to_standard_output_alone(pipeline: Pipeline) -> None:
    line = step()["run"].splitlines()[0]
    done = pipeline.run(f"{line} -o json", github_variables(pipeline))

    assert json.loads(done.stdout)["uri"] == "vault://ci/deploy"
    assert done.stderr.startswith("note: ")


def test_every_variable_of_the_page_is_read() -> None:
    named = set(re.findall(r"MONOCTL_[A-Z_]+", TEXT))
    assert named <= VARIABLES
    assert {"MONOCTL_TOKEN", "MONOCTL_CA", "MONOCTL_STORE_IDENTITY", "MONOCTL_DEFAULT_STORE"} <= named
