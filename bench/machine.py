"""What a run ran on: processors, system, and which Python, built how."""

from __future__ import annotations

import functools
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.progress import say

_ASK = """
import json, platform, sysconfig
names = ("CONFIG_ARGS", "PGO_PROF_GEN_FLAG", "PGO_PROF_USE_FLAG")
print(json.dumps([platform.python_version(), *(str(sysconfig.get_config_var(name) or "") for name in names)]))
"""


def is_profiled(arguments: str, generates: str, uses: str) -> bool:
    """Return whether a Python was built with profile-guided optimisation.

    Debian makes the profile without the argument of `configure`. It removes the flag that uses the profile from what it
    installs, so that no extension is built with it; `configure` alone always leaves both flags.

    Args:
        arguments: `CONFIG_ARGS` of sysconfig.
        generates: `PGO_PROF_GEN_FLAG`.
        uses: `PGO_PROF_USE_FLAG`.
    """
    return "--enable-optimizations" in arguments or bool(generates and not uses)


@functools.cache
def interpreter(executable: str = sys.executable) -> str:
    """Return version and build of the Python at `executable`, for people."""
    ran = subprocess.run([executable, "-I", "-S", "-c", _ASK], capture_output=True, text=True, check=True)
    version, *build = json.loads(ran.stdout)
    return f"Python {version} {'with' if is_profiled(*build) else 'WITHOUT'} profile-guided optimisation"


def say_interpreters(pids: Mapping[str, int]) -> None:
    """Say which Python runs in this process and in each of `pids`, by name; where the system does not tell, nothing."""
    say(f"bench: {interpreter()}")
    for name, pid in pids.items():
        if (link := Path(f"/proc/{pid}/exe")).exists():
            say(f"{name}: {interpreter(str(link.readlink()))}")


def described() -> str:
    """Return cores, Python, system and load, for the caption of a table."""
    release, load = platform.release().split("-")[0], os.getloadavg()[2]
    return f"{os.cpu_count()} cores, {interpreter()}, Linux {release}, load average {load:.1f} over the last 15 minutes"
