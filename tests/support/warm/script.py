"""A script of ours whose `m8` and `monoctl`, servers too, run as copies of the loaded process of the test that runs it.

python -m tests.support.warm.script FILE [ARGUMENT ...]     # in the environment that `warm.lent` gives
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
    Part.spawn = staticmethod(warm.spawn)
    del os.environ["PYTHONPATH"], sys.argv[0]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    runpy.run_path(sys.argv[0], run_name="__main__")
