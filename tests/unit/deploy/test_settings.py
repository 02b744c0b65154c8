"""The settings in `deploy/` are those that m8 and reactors read, and what is open around them fits what they say."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from monoskope.host_port import HostPort
from monoskope.m8 import settings
from monoskope.m8.init import Plan, lay_out
from monoskope.protocol.tlog.checkpoint import Kind, VerifierKey
from monoskope.reactor import settings as reactor_settings

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
    authority = lay_out(Plan(folder=tmp_path / "new", listen=HostPort("127.0.0.1", 0))).folder / "ca.crt"
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
