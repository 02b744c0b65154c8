"""What the process does about its memory, where the kernel can be asked about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monoskope.reactor.memory import Swap, may_lock
from monoskope.start import execution_environment
from tests.support.programs import CLEAN

SWAPS = "Filename Type Size Used Priority\n"
ACTIVE = SWAPS + "/dev/sda2 partition 1 0 -2\n"


def test_the_allocator_is_set_once() -> None:
    found = execution_environment({"A": "1"})
    assert found is not None
    assert (found["A"], found["PYTHONMALLOC"]) == ("1", "malloc")
    perturb, tcache = found["GLIBC_TUNABLES"].split(":")
    assert 1 <= int(perturb.removeprefix("glibc.malloc.perturb=")) <= 255
    assert tcache == "glibc.malloc.tcache_count=0"
    assert execution_environment(found) is None


def swap(folder: Path, *, swaps: str | None, cgroup: str = "", limits: dict[str, str] | None = None) -> Swap:
    (folder / "proc" / "self").mkdir(parents=True)
    if swaps is not None:
        (folder / "proc" / "swaps").write_text(swaps)
    if cgroup:
        (folder / "proc" / "self" / "cgroup").write_text(cgroup)
    for group, limit in (limits or {}).items():
        (folder / "cgroups" / group).mkdir(parents=True, exist_ok=True)
        (folder / "cgroups" / group / "memory.swap.max").write_text(limit)
    return Swap(folder / "proc", folder / "cgroups")


@pytest.mark.parametrize(
    ("swaps", "cgroup", "limits", "possible"),
    [
        (SWAPS, "", {}, False),
        (None, "", {}, True),
        (ACTIVE, "", {}, True),
        (ACTIVE, "0::/a/b\n", {"a/b": "0\n"}, False),
        (ACTIVE, "0::/a/b\n", {"a": "0\n", "a/b": "max\n"}, False),
        (ACTIVE, "0::/a/b\n", {"a/b": "max\n"}, True),
        (ACTIVE, "0::/a/b\n", {"a/b": "4096\n"}, True),
        (ACTIVE, "1:memory:/a\n", {"a": "0\n"}, True),
    ],
)
def test_whether_memory_can_be_swapped_out(
    tmp_path: Path, swaps: str | None, cgroup: str, limits: dict[str, str], *, possible: bool
) -> None:
    assert swap(tmp_path, swaps=swaps, cgroup=cgroup, limits=limits).possible() is possible


def test_locking_without_the_right_to_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (65_536, 65_536))
    assert not may_lock(tmp_path)
    (tmp_path / "self").mkdir()
    for held, may in (("0000000000000000", False), ("0000000000004000", True), ("000001ffffffffff", True)):
        (tmp_path / "self" / "status").write_text(f"Name:\tx\nCapEff:\t{held}\n")
        assert may_lock(tmp_path) is may


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=CLEAN)
    return done.stdout


def test_a_hardened_process_leaves_no_core_and_cannot_be_read() -> None:
    code = (
        "import ctypes, resource\n"
        "from monoskope.reactor.memory import Swap, harden\n"
        "harden(lock=lambda: True)\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))\n"
    )
    assert python(code) == "0 (0, 0)\n"


@pytest.mark.parametrize("words", [("fingerprint-key", "new"), ("rotate-identity",), ("identity",)])
def test_every_command_leaves_no_core_and_cannot_be_read(tmp_path: Path, words: tuple[str, ...]) -> None:
    code = (
        "import atexit, ctypes, resource, sys\n"
        "from monoskope.reactor import cli\n"
        "atexit.register(lambda: print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(4)))\n"
        f"sys.argv = ['m8 reactor', *{words!r}, {str(tmp_path / 'none')!r}]\n"
        "cli.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=CLEAN)
    assert done.stdout.splitlines()[-1] == "0 (0, 0)"


def test_a_process_that_can_be_swapped_out_refuses(tmp_path: Path) -> None:
    swap(tmp_path, swaps=ACTIVE)
    code = (
        "from pathlib import Path\n"
        "from monoskope.errors import RefusedError\n"
        "from monoskope.reactor.memory import Swap, harden\n"
        f"swap = Swap(Path({str(tmp_path / 'proc')!r}), Path({str(tmp_path / 'cgroups')!r}))\n"
        "try:\n"
        "    harden(lock=lambda: False, swap=swap)\n"
        "except RefusedError as error:\n"
        "    print(error.fix)\n"
    )
    assert "turn swap off" in python(code)


def test_where_swap_is_allowed_it_runs_and_warns(tmp_path: Path) -> None:
    assert "WARNING: the reactor's memory can be swapped to disk" in allowed(tmp_path / "active", swaps=ACTIVE)
    assert allowed(tmp_path / "none", swaps=SWAPS) == "[]\n"


def allowed(folder: Path, *, swaps: str) -> str:
    swap(folder, swaps=swaps)
    return python(
        "from pathlib import Path\n"
        "from monoskope.reactor.memory import Swap, harden\n"
        f"swap = Swap(Path({str(folder / 'proc')!r}), Path({str(folder / 'cgroups')!r}))\n"
        "print([one for one in harden(allow_swap=True, lock=lambda: False, swap=swap) if 'swap' in one])\n"
    )


def test_elsewhere_one_sentence_says_what_is_not_done() -> None:
    code = (
        "import sys\nsys.platform = 'darwin'\nfrom monoskope.reactor.memory import Swap, harden\nprint(len(harden()))\n"
    )
    assert python(code) == "1\n"
