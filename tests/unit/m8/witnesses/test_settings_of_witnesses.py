"""The settings of witnesses, and the page about them."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from monoskope.errors import UsageError
from monoskope.m8 import settings
from monoskope.m8.settings import File
from monoskope.protocol.tlog.checkpoint import Kind
from monoskope.protocol.tlog.log_key import LogKey
from monoskope.testing.parts import free_port
from tests.support.memory_tree import MemoryTree
from tests.support.witness_servers import Asking, WitnessKey, before, needed, witness_server

ONE, TWO = str(WitnessKey("w.example/1").vkey), str(WitnessKey("w.example/2", kind=Kind.COSIGNATURE_ML_DSA_44).vkey)
SAME_NAME = str(WitnessKey("w.example/1").vkey)
LOG = str(LogKey.make("some/log").vkeys[0])


def table(vkey: str = ONE, url: str = "https://w.example/one", **more: str) -> str:
    fields = {"url": url, "vkey": vkey, **more}
    return "[[witness]]\n" + "".join(f'{name} = "{value}"\n' for name, value in fields.items())


def loaded(folder: Path, text: str) -> settings.ServerSettings:
    (folder / "m8.toml").write_text(text, encoding="utf-8")
    return settings.load(folder)


def test_without_witnesses_there_are_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").witnesses is None


def test_the_monitoring_prefix_is_the_submission_prefix_unless_it_is_named(tmp_path: Path) -> None:
    text = (
        "quorum = 2\n"
        + table(ca_file="w.crt")
        + table(TWO, "https://w.example:7443", monitoring_url="https://m.example/")
    )
    found = loaded(tmp_path, text).witnesses
    assert found is not None
    one, two = found.witnesses
    assert (one.monitoring_url, one.ca_file) == (one.url, tmp_path / "w.crt")
    assert (two.url.port, two.monitoring_url.host, two.ca_file) == (7443, "m.example", None)
    assert (found.quorum, found.alarm_s) == (2, 300)
    assert found.digest != loaded(tmp_path, text.replace("quorum = 2", "quorum = 1")).witnesses.digest  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (table(), "quorum must be from 1 to 1"),
        ("quorum = 2\n" + table(), "quorum must be from 1 to 1"),
        ("quorum = 1\n", "no meaning without witnesses"),
        ("quorum = 1\nwitness_alarm_s = 0\n" + table(), "witness_alarm_s must be from 1"),
        ("quorum = 1\n" + table(url="http://w.example/"), "is not an address of HTTPS"),
        ("quorum = 1\n" + table(url="https://w.example/?a=b"), "is not an address of HTTPS"),
        ("quorum = 1\n" + table(url="https://user:x@w.example/"), "is not an address of HTTPS"),
        ("quorum = 1\n" + table(monitoring_url="ftp://w.example/"), "monitoring_url of the witness w.example/1"),
        ("quorum = 1\n" + table(vkey=ONE[:-4]), "vkey of a table"),
        ("quorum = 1\n" + table(vkey=LOG), "is a log's, of type 0x01"),
        ("quorum = 1\n" + table() + table(), "the same url"),
        ("quorum = 1\n" + table() + table(url="https://w.example/two"), "the same vkey"),
        ("quorum = 1\n" + table() + table(SAME_NAME, "https://w.example/two"), "the same name in vkey"),
        ("quorum = 1\n" + table(key="x"), "unknown field"),
        ('quorum = 1\n[[witness]]\nurl = "https://w.example"\n', "vkey"),
    ],
    ids=[
        "no quorum", "too large a quorum", "a quorum of nobody", "no alarm", "http", "a query", "a login",
        "another scheme", "half a key", "a log's key", "one url twice", "one key twice", "one name twice",
        "a strange field", "no key",
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_by_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError, match=r"m8\.toml") as caught:
        loaded(tmp_path, text)
    assert says in caught.value.message
    assert caught.value.fix
    assert "user:x" not in caught.value.message


def test_more_than_16_witnesses_are_refused(tmp_path: Path) -> None:
    tables = "".join(table(str(WitnessKey(f"w.example/{n}").vkey), f"https://w.example/{n}") for n in range(17))
    with pytest.raises(UsageError, match="more than 16"):
        loaded(tmp_path, "quorum = 1\n" + tables)


PAGE = (Path(__file__).parents[4] / "docs" / "operate" / "witnesses.md").read_text(encoding="utf-8")
BEGIN, KNOW = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def test_the_settings_on_the_page_have_the_names_of_fields() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    found = msgspec.toml.decode(text, type=File)
    assert (found.quorum, len(found.witness)) == (2, 2)


async def test_the_commands_on_the_page_make_a_witness_that_cosigns(
    tmp_path: Path, asking: Asking, tree: MemoryTree
) -> None:
    port = free_port()
    example = re.findall(r'^vkey="([^"]+)"', KNOW, re.MULTILINE)[0]
    script = BEGIN.replace("7380", str(port)) + KNOW.replace(example, str(tree.key.vkeys[0]))
    # Started so, the programs of the page live as long as the shell does.
    folder = tmp_path / "w"
    folder.mkdir()
    environment = {
        "PATH": f"{needed().parent}:{os.environ['PATH']}",
        "GODEBUG": "httpmuxgo121=0",
        "HOME": str(tmp_path),
    }
    shell = subprocess.Popen(
        ["sh", "-euc", f"trap 'kill 0' EXIT\n{script}\necho ready\nread -r _"], cwd=folder, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        assert shell.stdout is not None
        said = "".join(itertools.takewhile(lambda line: line != "ready\n", shell.stdout))
        assert shell.poll() is None, said
        vkey = re.findall(r"^vkey=(\S+)", said, re.MULTILINE)[0]
        assert tree.key.origin in said
        with witness_server(tmp_path, before(port)) as server:
            async with asking((server, vkey)) as witnesses:
                asked = await witnesses.cosign(tree.note(), tree)
        assert [each.vkey for each in asked.cosignatures] == [vkey], asked
    finally:
        os.killpg(shell.pid, signal.SIGKILL)
        shell.communicate()
