"""Log in at an issuer, and hand the ID token to the program that asked: `m8 init`, which imports nothing of a client.

    python -m monoskope.monoctl.commands.handed_login

JSON on standard input says where; JSON on standard output has the ID token and the scopes that were asked for, or an
error. Nothing is kept. What the person reads goes to standard error.
"""

from __future__ import annotations

import json
import sys
from typing import NoReturn

from msgspec import structs

from monoskope.client.login.credential import KeptLogin
from monoskope.client.login.issuer import Issuer, discover
from monoskope.client.login.starting import LoginSettings
from monoskope.errors import Error, UsageError
from monoskope.exit_codes import ExitCode
from monoskope.monoctl.commands.login import by_address, by_device
from monoskope.monoctl.output.terminal import out

_USUAL = ("groups", "profile", "email")
"""Scopes with which many issuers say a person's groups, name and address."""


def main() -> NoReturn:
    """Answer what standard input asks, and exit."""
    try:
        asked = json.load(sys.stdin)
        by_browser = asked.pop("by_browser")
        told = _told(LoginSettings(server="", audience=asked["client_id"], **asked), by_browser=by_browser)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    out(json.dumps(told))
    sys.exit(ExitCode.OK)


def _told(settings: LoginSettings, *, by_browser: bool) -> dict[str, str]:
    try:
        if not settings.scopes:
            settings = structs.replace(settings, scopes=_usual(settings))
        return {"id_token": _log_in(settings, by_browser=by_browser).id_token, "scopes": settings.scopes}
    except Error as error:
        return {"code": error.code.value, "message": error.message, "fix": error.fix}


def _usual(settings: LoginSettings) -> str:
    """Return those of the usual scopes that an issuer has, with spaces between them."""
    provider = discover(Issuer(settings.issuer, hosts=settings.hosts, ca_file=settings.ca_file))
    return " ".join(one for one in _USUAL if one in (provider.scopes or ()))


def _log_in(settings: LoginSettings, *, by_browser: bool) -> KeptLogin:
    if not by_browser:
        try:
            return by_device(settings)
        except UsageError:
            pass  # it has no such flow; if the settings are wrong, the other one says the same
    return by_address(settings)


if __name__ == "__main__":
    main()
