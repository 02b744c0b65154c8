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
from monoskope.monoctl.console.channel import (
    NONCE_HEADER,
    PROOF_HEADER,
    Beginning,
    Channel,
    nonce_of,
    shown,
)
from monoskope.monoctl.console.requests import ALWAYS
from tests.console.looks.example_answers import ANSWERS, IDENTITY, LOG, NOW, SECRETS, STORES, figures, written

ADDRESS = "http://127.0.0.1:8777/"
TOKEN, KEY = bytes(range(32)), bytes(range(32, 64))
DELETED = SECRETS[1]["uri"]
STATIC = Path(console.__file__).parent / "static"

_RIGHTS = ("put", "compare", "see-hash", "delete", "copy", "undelete", "rollback", "list", "propose", "approve")
_TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def _rare_secret(asked: dict[str, Any]) -> object:
    secret = next(one for one in SECRETS if one["uri"] == asked["uri"])
    return {**secret, "deleted": True, "status": "DELETED"} if asked["uri"] == DELETED else secret


def _rare_stores(_asked: dict[str, Any]) -> object:
    changed = {
        "identity": f"{IDENTITY[:-1]}Q",
        "identity_state": "changed",
        "identity_message": "aws-eu shows another identity than the pinned one.",
        "identity_fix": "Ask its operator.",
    }
    return {"stores": [store | changed if store["name"] == "aws-eu" else store for store in STORES]}


class Example:
    """The example, for one page.

    Args:
        role: "user", "auditor" or "administrator".
        has_rarities: Whether the secret `DELETED` is, and a store shows another identity than the pinned one.
        context: The context of the settings of this console.
    """

    def __init__(self, role: str = "user", *, has_rarities: bool = False, context: str = "") -> None:
        self._me: dict[str, Any] = {
            "subject": {"user": "anna", "auditor": "rev", "administrator": "root"}[role],
            "role": role,
            "prefixes": ["vault://", "aws-eu://", "k8s-prod://", "local://"] if role == "user" else [],
            "rights": list(_RIGHTS) if role == "user" else [],
            "expires": written(NOW + dt.timedelta(days=20)),
            "server": "m8.example.com:7443",
            "context": context,
            "m8_version": "1.0.0",
            "monoctl_version": "1.0.0",
            "groups": [],
            "may": [],
            "credential": "the login at https://login.example.com",
            "login": "renewed",
            "signs_with": {"key": f"SHA256:{'m8' * 21}E", "principal": "", "touch": False, "trouble": ""},
            "away": "",
        }
        self._beginning, self._channel = Beginning(TOKEN), Channel(TOKEN, KEY)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        """What the page has asked, in its order: operations with what they were sent."""
        self._refused: dict[str, dict[str, Any]] = {}
        self._told: dict[str, str] = {}
        self._answers = ANSWERS | {
            "begin": lambda _: {"session": "session", "key": shown(KEY), "me": self._me},
            "whoami": lambda _: self._me,
            "status": self._status,
        }
        if has_rarities:
            self._answers |= {"secret": _rare_secret, "stores": _rare_stores}

    def change_me(self, **changed: object) -> None:
        self._me |= changed

    def refuse(self, operation: str, *, retry_after_s: float) -> None:
        """Refuse the calls of an operation from now on: too many came, and it is said when to come back."""
        words = {"message": "m8 takes no more of these calls now.", "fix": "Try again.", "reason": "", "uri": ""}
        self._refused[operation] = words | {
            "code": "RATE_LIMITED",
            "exit_code": 11,
            "by_m8": True,
            "retry_after_s": retry_after_s,
        }

    def answer(self, operation: str, said: object) -> None:
        self._answers[operation] = lambda _: said

    def name(self, shown: dict[str, str]) -> None:
        """Tell once how people are shown, by their ids."""
        self._told = shown

    def accept(self, operation: str) -> None:
        del self._refused[operation]

    def open(self, page: Page, *, stands_still: bool = True) -> None:
        """Open the example in `page`, at its own moment.

        Args:
            stands_still: Whether that moment never ends; else the test moves the page's clock.
        """
        page.route(f"{ADDRESS}**", self._answer)
        if stands_still:
            page.clock.set_fixed_time(NOW)
        else:
            page.clock.install(time=NOW)
        page.goto(f"{ADDRESS}#{shown(TOKEN)}")

    def _status(self, _asked: dict[str, Any]) -> dict[str, Any]:
        return {
            "server": self._me,
            "certificate_expires": written(NOW + dt.timedelta(days=61)),
            "fingerprint_key_id": "63e8eb50bcac50aa",
            "stores": STORES,
            "figures": figures(),
            "head": 412,
            "log": LOG,
        }

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS).partition("#")[0]
        headers = dict(ALWAYS)
        if not path.startswith("api/"):
            file = STATIC / (path or "index.html")
            body: str | bytes = file.read_bytes()
            route.fulfill(body=body, headers=headers | {"Content-Type": _TYPES.get(file.suffix, "text/plain")})
        elif path == "api/live":
            told, self._told = self._told, {}
            if told:  # else it stays open: nothing happens in the example
                nonce = nonce_of(route.request.headers[NONCE_HEADER.lower()])
                assert nonce is not None
                headers[PROOF_HEADER] = self._channel.prove("live", nonce, 200, b"")
                route.fulfill(body=f"{json.dumps({'kind': 'people', 'shown': told})}\n", headers=headers)
        else:
            operation, sent = path.removeprefix("api/"), route.request.post_data_buffer or b""
            nonce = nonce_of(route.request.headers[NONCE_HEADER.lower()])
            assert nonce is not None
            opened = sent if operation == "begin" else self._channel.open(operation, sent)
            refused = self._refused.get(operation)
            status = 429 if refused else 200
            self.asked.append((operation, json.loads(opened)))
            answer = {"error": refused} if refused else self._answers[operation](json.loads(opened))
            said = json.dumps(answer).encode()
            proof = (
                self._beginning.prove(nonce, status, said)
                if operation == "begin"
                else self._channel.prove(operation, nonce, status, said)
            )
            route.fulfill(
                status=status, body=said, headers=headers | {"Content-Type": "application/json", PROOF_HEADER: proof}
            )
