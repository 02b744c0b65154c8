"""The old name of `monoskope.testing.engines.openbao`; folders that a demonstration kept name it."""

from __future__ import annotations

import sys

from monoskope.testing.engines.openbao import OpenBao, binary, how_to_read, main, serve

__all__ = ["OpenBao", "binary", "how_to_read", "main", "serve"]

if __name__ == "__main__":
    sys.exit(main())
