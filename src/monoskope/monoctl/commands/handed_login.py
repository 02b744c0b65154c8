"""Log in at an issuer, and hand the ID token to the program that asked: `m8 init`, which imports nothing of a client.

    python -m monoskope.monoctl.commands.handed_login

JSON on standard input says where; JSON on standard output has the ID token, or an error. Nothing is kept. What the
person reads goes to standard error.
"""

from __future__ import annotations

import json
import sys
from typing import NoReturn

from monoskope.client.login.starting import LoginSettings
from monoskope.errors import Error, UsageError
from monoskope.exit_codes import ExitCode
from monoskope.monoctl.commands.login import by_address, by_device


def main() -> NoReturn:
    """Answer what standard input asks, and exit."""
    try:
        asked = json.load(sys.stdin)
        by_browser = asked.pop("by_browser")
        told = _told(LoginSettings(server="", audience=asked["client_id"], **asked), by_browser=by_browser)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    json.dump(told, sys.stdout)
    sys.stdout.flush()
    sys.exit(ExitCode.OK)


def _told(settings: LoginSettings, *, by_browser: bool) -> dict[str, str]:
    try:
        if not by_browser:
            try:
                return {"id_token": by_device(settings).id_token}
            except UsageError:
                pass  # it has no such flow; if the settings are wrong, the other one says the same
        return {"id_token": by_address(settings).id_token}
    except Error as error:
        return {"code": error.code.value, "message": error.message, "fix": error.fix}


if __name__ == "__main__":
    main()
