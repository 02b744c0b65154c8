"""The commands on the page about witnesses make a witness that cosigns, and m8's settings there are settings."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
from pathlib import Path

import msgspec

from monoskope.m8.settings import File
from monoskope.testing.parts import free_port
from tests.support.memory_tree import MemoryTree
from tests.support.witness_servers import Asking, before, needed, witness_server

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
