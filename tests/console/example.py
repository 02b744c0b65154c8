"""An example of what `monoctl console` answers, always the same: to look at every view without a cluster.

What the answers say is tested at a real one (test_commands.py); here the page is looked at, in all its sizes and
colours, and its pictures for the documentation are taken.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route

from monoskope.monoctl import console
from monoskope.monoctl.console.serving.headers import ALWAYS
from tests.console.example_answers import ANSWERS, NOW, SECRETS, STORES, written

ADDRESS = "http://127.0.0.1:8777/"
STATIC = Path(console.__file__).parent / "static"

_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Example:
    """The example, for one page.

    Args:
        role: "user" or "administrator".
    """

    def __init__(self, role: str = "user") -> None:
        self._me = {
            "subject": "anna" if role == "user" else "root",
            "role": role,
            "prefixes": ["vault://", "aws-eu://", "k8s-prod://", "local://"],
            "rights": ["put", "compare", "see-hash", "delete", "copy", "undelete", "rollback", "list"],
            "expires": written(NOW + dt.timedelta(days=20)),
            "server": "m8.example.com:7443",
            "m8_version": "1.0.0",
            "monoctl_version": "1.0.0",
            "away": "",
        }
        self._answers = ANSWERS | {
            "begin": lambda _: {"session": "session", "me": self._me, "proof_key": "00" * 32},
            "whoami": lambda _: self._me,
            "status": self._status,
        }

    def open(self, page: Page) -> None:
        """Open the example in `page`, at its own moment."""
        page.route(f"{ADDRESS}**", self._answer)
        page.clock.set_fixed_time(NOW)
        page.goto(f"{ADDRESS}#token")

    def _status(self, _asked: dict[str, Any]) -> dict[str, Any]:
        names = ("present", "deleted", "drifted", "out-of-sync", "expiring", "expired")
        return {
            "server": self._me,
            "certificate_expires": written(NOW + dt.timedelta(days=61)),
            "fingerprint_key_id": "63e8eb50bcac50aa",
            "stores": STORES,
            "counts": dict(zip(names, (len(SECRETS), 2, 2, 2, 3, 2), strict=True)),
            "head": 412,
        }

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS).partition("#")[0]
        headers = dict(ALWAYS)
        if not path.startswith("api/"):
            file = STATIC / (path or "index.html")
            body: str | bytes = file.read_bytes()
            route.fulfill(body=body, headers=headers | {"Content-Type": _TYPES.get(file.suffix, "text/plain")})
        elif path != "api/live":  # which stays open: nothing happens in the example
            asked = json.loads(route.request.post_data or "{}")
            answer = self._answers[path.removeprefix("api/")](asked)
            route.fulfill(body=json.dumps(answer), headers=headers | {"Content-Type": "application/json"})
