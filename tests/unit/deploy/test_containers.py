"""The Containerfiles, the lists that they install, the programs in them, and the Compose file."""

from __future__ import annotations

import http.server
import re
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tools import image_requirements

DEPLOY = Path(__file__).resolve().parents[3] / "deploy"
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


def test_m8_is_given_no_driver_of_an_engine_and_reactors_are_given_no_database() -> None:
    assert "asyncpg==" in (CONTAINERS / "m8.txt").read_text(encoding="utf-8")
    assert "aiohttp==" in (CONTAINERS / "reactor.txt").read_text(encoding="utf-8")
    assert "asyncpg==" not in (CONTAINERS / "reactor.txt").read_text(encoding="utf-8")


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
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    for name in ("m8", "init", "reactor"):
        assert services[name]["read_only"]
        assert services[name]["cap_drop"] == ["ALL"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:7443:7443"], "a trial is reached from its own machine alone"
