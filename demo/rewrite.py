"""What the owner of m8 can do to its log: every event gets another actor, and every hash is right again.

    python rewrite.py m8-rewritten ben     # in the demo's folder, with a copy of m8's folder

The keys of the log stay: the owner of m8 has them. `log.checkpoint`, by which m8 itself would notice, is removed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from monoskope.testing.cluster.rewritten_log import rewrite


def main(folder: Path, actor: str) -> None:
    """Rewrite the log in a folder, which no m8 serves meanwhile."""
    (folder / "log.checkpoint").unlink(missing_ok=True)
    print(f"{rewrite(folder / 'log.db', actor=actor)} events are of {actor} now.")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
