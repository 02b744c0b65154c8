"""A script of ours whose commands of `m8` and `monoctl` run as copies of the loaded process of the test that runs it.

    python -m tests.support.warm.script [--servers] FILE [ARGUMENT ...]     # in the environment that `warm.lent` gives

What goes on running, such as the script's servers, starts as it does for users, unless `--servers` says that these are
copies, too.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from monoskope.testing.cluster.commands import Commands
from monoskope.testing.parts import Part
from tests.support import warm

if __name__ == "__main__":
    Commands.execute = staticmethod(warm.run)
    if sys.argv[1] == "--servers":
        Part.spawn = staticmethod(warm.spawn)
        del sys.argv[1]
    del os.environ["PYTHONPATH"], sys.argv[0]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
