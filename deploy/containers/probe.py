"""Ask m8 whether it is alive or ready: `probe.py http://127.0.0.1:7444/readyz` ends with 0 for the answer 200, else 1.

It is for the probes of containers: the listener that it asks is on the loopback address, where only the container
itself comes, and the image needs no shell.
"""

from __future__ import annotations

import sys
import urllib.error
import urllib.request

WITHIN_S = 2.5
"""Seconds that an answer may take."""


def main(url: str) -> int:
    """Ask `url`, print why m8 is not well, and return the exit code."""
    if not url.startswith("http://127.0.0.1:"):
        print("Only http://127.0.0.1:PORT/... is asked.")
        return 1
    try:
        # Without a proxy, whatever the environment says: the question stays on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=WITHIN_S):
            return 0
    except urllib.error.HTTPError as error:
        print(f"{error.code}: {error.read(500).decode('utf-8', 'replace')}")
    except OSError as error:
        print(f"no answer: {type(error).__name__}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
