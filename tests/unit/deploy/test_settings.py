"""What is in `deploy/` fits what m8 and reactors read: settings, Containerfiles, the Compose file, systemd units."""

from __future__ import annotations

import http.server
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from monoskope.client.known.table import VARIABLES
from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.init import lay_out
from monoskope.protocol.tlog.checkpoint import Kind, VerifierKey
from monoskope.reactor import settings as reactor_settings
from monoskope.systemd import HARDENED
from monoskope.testing.parts import needed
from tests.support.schemas import faults
from tests.unit.m8_cli.setting_up import Somebody, set_up
from tests.unit.reactor.commands import init
from tools import image_requirements

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
M8, REACTOR = 7444, 7445
"""The ports of the listeners of operations, in all of `deploy/`."""


def bindable(unit: str) -> set[int]:
    """The ports that a unit lets its service open."""
    text = (DEPLOY / "systemd" / unit).read_text(encoding="utf-8")
    return {int(port) for port in re.findall(r"^SocketBindAllow=tcp:(\d+)$", text, re.MULTILINE)}


def test_m8_takes_the_settings_of_the_compose_file(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "compose" / "m8.toml", tmp_path)
    loaded = settings.load(tmp_path)
    assert loaded.operations_listen == HostPort("127.0.0.1", M8)
    assert loaded.engine == "postgresql"
    assert loaded.listen.port == 7443


def test_the_witnesses_of_the_compose_file_are_an_example_that_m8_takes(tmp_path: Path) -> None:
    text = (DEPLOY / "compose" / "m8.toml").read_text(encoding="utf-8")
    vkeys = (VerifierKey(name, Kind.COSIGNATURE_ED25519, name.encode() * 32) for name in ("a", "b"))
    example = re.sub(r"^#(?! )", "", text, flags=re.MULTILINE)
    example = re.sub(r'vkey = ".*"', lambda _: f'vkey = "{next(vkeys)}"', example)
    (tmp_path / "m8.toml").write_text(example, encoding="utf-8")
    found = settings.load(tmp_path).witnesses
    assert found is not None
    assert (found.quorum, len(found.witnesses)) == (2, 2)


def test_m8_takes_the_chart_s_examples_of_settings(tmp_path: Path) -> None:
    text = (DEPLOY / "helm" / "monoskope" / "values.yaml").read_text(encoding="utf-8")
    vkeys = (VerifierKey(name, Kind.COSIGNATURE_ED25519, name.encode() * 32) for name in ("a", "b"))
    witnessed, telling = re.findall(r"^  # settings: \|\n((?:  #   .*\n)+)", text, re.MULTILINE)
    found = []
    for name, shown in (("witnessed", witnessed), ("telling", telling)):
        example = re.sub(r"^  #   ", "", shown, flags=re.MULTILINE)
        example = re.sub(r'vkey = ".*"', lambda _: f'vkey = "{next(vkeys)}"', example)
        found.append(settings.load(placed(tmp_path / name, {"m8.toml": example})))
    assert found[0].witnesses is not None
    assert [one.address for one in found[1].notices[0].recipients] == ["ops@example.org"]


def test_a_unit_lets_its_service_open_the_ports_that_are_used_with_it() -> None:
    assert bindable("m8.service") == {7443, M8}
    assert bindable("monoskope-reactor@.service") == {REACTOR}
    scraped = (DEPLOY / "observe" / "prometheus.yml").read_text(encoding="utf-8")
    assert {int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", scraped)} == {M8, REACTOR}


def test_logs_are_rotated_where_the_units_put_them() -> None:
    text = (DEPLOY / "observe" / "logrotate.conf").read_text(encoding="utf-8")
    assert set(re.findall(r"--kill-whom=main (\S+)", text)) == {"m8.service", "monoskope-reactor@vault.service"}
    folders = {Path(path).parent for path in re.findall(r"^(/\S+) \{", text, re.MULTILINE)}
    units = "".join(unit.read_text(encoding="utf-8") for unit in (DEPLOY / "systemd").iterdir())
    states = re.findall(r"^StateDirectory=(\S+)$", units, re.MULTILINE)
    assert folders == {Path("/var/lib") / state.replace("%i", "vault") for state in states}


def test_each_image_is_probed_where_its_settings_listen() -> None:
    for image, port in (("m8", M8), ("reactor", REACTOR)):
        text = (DEPLOY / "containers" / f"{image}.Containerfile").read_text(encoding="utf-8")
        asked = set(re.findall(r"http://127\.0\.0\.1:(\d+)/", text))
        assert asked == {str(port)}


def placed(folder: Path, files: Mapping[str, str]) -> Path:
    """Put what a page or a chart shows into a folder."""
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o600)
    return folder


def test_the_pages_show_settings_that_are_read(tmp_path: Path) -> None:
    page = (DEPLOY.parent / "docs" / "operate" / "deploy.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    credentials = "/run/credentials/m8.service/"
    unit = (DEPLOY / "systemd" / "m8.service").read_text(encoding="utf-8")
    assert f"{credentials}database-password" in shown
    assert "LoadCredential=database-password:" in unit
    authority = lay_out(folder=tmp_path / "new", listen=HostPort("127.0.0.1", 0)).folder / "ca.crt"
    beside = {"database-password": "x", "database-ca.crt": authority.read_text(encoding="utf-8")}
    here = placed(tmp_path / "m8", {"m8.toml": shown.replace(credentials, ""), **beside})
    loaded = settings.load(here)
    assert loaded.operations_listen == HostPort("127.0.0.1", M8)
    values = (DEPLOY / "helm" / "monoskope" / "values.yaml").read_text(encoding="utf-8")
    (example,) = re.findall(r"#   settings: \|\n((?:#     .*\n)+)", values)
    text = f"""server = "m8:7443"
ca_file = "ca.crt"
store = "vault"
operations_listen = "127.0.0.1:{REACTOR}"
{re.sub(r"^#     ", "", example, flags=re.MULTILINE)}"""
    read = reactor_settings.read(placed(tmp_path / "reactor", {"reactor.toml": text}))
    assert read.operations_listen == HostPort("127.0.0.1", REACTOR)
    assert read.driver.kind == "vault"


CONTAINERS = DEPLOY / "containers"


def instructions(image: str) -> list[tuple[str, str]]:
    """Return instruction and arguments of a Containerfile, continued lines joined."""
    text = re.sub(
        r"^#.*\n", "", (CONTAINERS / f"{image}.Containerfile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    pairs = (line.split(maxsplit=1) for line in lines if line)
    return [(word, rest) for word, rest in pairs]


def test_each_list_is_what_the_lock_says() -> None:
    for path, text in image_requirements.texts().items():
        assert path.read_text(encoding="utf-8") == text, "run: python tools/image_requirements.py"
        assert text.count("--hash=") >= text.count("=="), path


def test_both_are_given_postgresql_and_m8_no_other_driver_of_an_engine() -> None:
    """m8 for its log, reactors for accounts."""
    m8, reactor = ((CONTAINERS / f"{name}.txt").read_text(encoding="utf-8") for name in ("m8", "reactor"))
    assert "asyncpg==" in m8
    assert "asyncpg==" in reactor
    assert "aiohttp==" in reactor
    assert "aiohttp==" not in m8


@pytest.mark.parametrize("image", ["m8", "reactor"])
def test_an_image_runs_as_nobody_special_and_installs_only_what_has_a_hash(image: str) -> None:
    found = instructions(image)
    users = [rest for word, rest in found if word == "USER"]
    assert users, "the image runs as root"
    assert re.fullmatch(r"[1-9][0-9]{4}:[1-9][0-9]{4}", users[-1])
    installs = [part for word, rest in found if word == "RUN" for part in rest.split("&&") if "pip install" in part]
    assert installs
    for install in installs:
        assert "--require-hashes" in install or "--no-index" in install
    root = DEPLOY.parent
    for rest in (rest for word, rest in found if word == "COPY" and "--from" not in rest):
        for source in [part for part in rest.split() if not part.startswith("--")][:-1]:
            assert (root / source).exists(), source


@contextmanager
def answering(status: int) -> Iterator[str]:
    """Answer every GET with `status` on a port of the loopback address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"disk reserve")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/readyz"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the images as the images do."""
    command = [sys.executable, "-I", str(CONTAINERS / program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_probe_passes_only_for_a_server_that_says_yes() -> None:
    with answering(200) as url:
        assert run("probe.py", url).returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert run("probe.py", f"http://127.0.0.1:{taken.getsockname()[1]}/readyz").returncode == 1, "nobody answers"
    with answering(503) as url:
        no = run("probe.py", url)
    assert no.returncode == 1
    assert "503: disk reserve" in no.stdout
    assert run("probe.py", "http://example.org/").returncode == 1


def test_placed_files_are_private_and_replace_older_ones(tmp_path: Path) -> None:
    given, folder = tmp_path / "given", tmp_path / "folder"
    (given / "..data").mkdir(parents=True)
    folder.mkdir()
    (given / "..data" / "tls.key").write_bytes(b"new")
    (given / "tls.key").symlink_to("..data/tls.key")
    (folder / "tls.key").write_bytes(b"old")
    assert run("place.py", str(given), str(folder)).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["tls.key"]
    assert (folder / "tls.key").read_bytes() == b"new"
    assert stat.S_IMODE((folder / "tls.key").stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "allowed_signers").write_bytes(b"")
    assert run("place.py", str(tmp_path / "given"), str(tmp_path / "new")).returncode == 0
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert (tmp_path / "new" / "allowed_signers").exists()


def test_the_compose_file_is_one_and_hardens_what_is_ours() -> None:
    file = DEPLOY / "compose" / "compose.yaml"
    assert not faults("compose-spec", file)
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    for name in ("m8", "init", "reactor"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:7443:7443"], "a trial is reached from its own machine alone"


UNITS = DEPLOY / "systemd"
NAMES = {
    "m8.service": "m8.service",
    "monoskope-reactor@.service": "monoskope-reactor@vault.service",
    "monoskope-rotate.service": "monoskope-rotate.service",
}
MOST = 2.0
"""The greatest exposure level, from 0 to 10, that docs/operate/deploy.md promises."""

OLDEST = 254
"""The first version of systemd that knows every line (docs/operate/deploy.md)."""


@pytest.fixture(scope="module")
def analyze() -> str:
    program = needed("systemd-analyze", "systemd")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    if int(said.split()[1]) < OLDEST:
        pytest.skip(f"the units need systemd {OLDEST}: apt-get install systemd on a newer system")
    return program


@pytest.mark.parametrize("file", NAMES)
def test_systemd_understands_every_line(file: str, analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / NAMES[file]
    text = (UNITS / file).read_text(encoding="utf-8")
    # What it starts is not installed here.
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE), encoding="utf-8")
    timer = UNITS / file.replace(".service", ".timer")
    units = [unit, shutil.copy(timer, tmp_path)] if timer.exists() else [unit]
    ran = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""


@pytest.mark.parametrize("file", NAMES)
def test_a_unit_leaves_little_open(file: str, analyze: str) -> None:
    command = [analyze, "security", "--offline=true", "--no-pager", str(UNITS / file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+) ", ran.stdout)
    assert level is not None, ran.stdout + ran.stderr
    assert float(level[1]) <= MOST


def made_units(folder: Path) -> list[Path]:
    """What `m8 init` and `m8 reactor init` write, in folders whose names need quotes."""
    set_up(folder / "m 8", Somebody(name="m8.example.org"), "folder", "units")
    reactor = folder / 'a "$HOME" %i \\ reactor'
    init(reactor, "--prefix", "team-a", server="m8.example.org:7443")
    return [*(folder / "m 8" / "units").iterdir(), *(reactor / "units").iterdir()]


def test_the_units_that_are_written_are_as_hard(analyze: str, tmp_path: Path) -> None:
    units = made_units(tmp_path)
    assert sorted(path.name for path in units) == [
        "m8-backup.service",
        "m8-backup.timer",
        "m8.service",
        "monoskope-reactor@local.service",
    ]
    ran = subprocess.run([analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    for path in units:
        if path.suffix == ".service":
            test_a_unit_leaves_little_open(str(path), analyze)


@pytest.mark.parametrize("file", NAMES)
def test_units_that_one_copies_have_the_lines_of_those_that_are_written(file: str) -> None:
    lines = set((UNITS / file).read_text(encoding="utf-8").splitlines())
    assert set(HARDENED.splitlines()) <= lines


def test_a_reactor_may_lock_its_memory_and_leaves_no_core_file(tmp_path: Path) -> None:
    init(tmp_path / "reactor")
    own = tmp_path / "reactor" / "units" / "monoskope-reactor@local.service"
    for unit in (UNITS / "monoskope-reactor@.service", own):
        lines = unit.read_text(encoding="utf-8").splitlines()
        for line in ("LimitMEMLOCK=infinity", "LimitCORE=0", "MemorySwapMax=0"):
            assert line in lines
        calls = [line for line in lines if line.startswith("SystemCallFilter=")]
        assert calls[-1].endswith(" mlock mlock2 mlockall"), "what comes last counts"
        assert "ProcSubset=pid" not in lines, "it reads /proc/swaps"


def test_the_unit_and_the_pipelines_rotate_what_is_due_with_variables_that_are_read() -> None:
    unit = (UNITS / "monoskope-rotate.service").read_text(encoding="utf-8")
    assert re.search(r"^ExecStart=/opt/monoskope/bin/monoctl rotate secret -f \S+ --due$", unit, re.MULTILINE)
    texts = [path.read_text(encoding="utf-8") for path in sorted((DEPLOY / "pipelines").iterdir())]
    github, gitlab = map(yaml.safe_load, texts)
    assert set(re.findall(r"MONOCTL_[A-Z_]+", unit + "".join(texts))) <= VARIABLES
    for text in texts:
        assert "monoctl rotate secret -f rotations.yaml --due\n" in text
    job, step = github["jobs"]["rotate"], github["jobs"]["rotate"]["steps"][-1]
    assert (github["permissions"], job["permissions"]) == ({}, {"contents": "read", "id-token": "write"})
    assert "${{" not in step["run"], "no secret is part of a script"
    assert gitlab["rotate"]["id_tokens"]["MONOCTL_ID_TOKEN"]["aud"] == step["env"]["MONOCTL_SERVER"]


@pytest.mark.parametrize(("file", "schema"), [("github.yml", "github-workflows"), ("gitlab.yml", "gitlab-ci")])
def test_a_pipeline_is_valid_by_its_schema(file: str, schema: str) -> None:
    assert not faults(schema, DEPLOY / "pipelines" / file)


def test_what_is_not_valid_by_its_schema_is_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.yml").write_text("on: push\njobs: {a: {runs-on: x, steps: [{run: 3}]}}\n", encoding="utf-8")
    assert "$.jobs.a" in faults("github-workflows", tmp_path / "wrong.yml")
