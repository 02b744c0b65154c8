"""As whom the client calls: the token that the settings lead to, or the login, or what a build job has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from monoskope.client.known.sources import check_environment, has
from monoskope.client.known.table import LOGIN_FIELDS, TOKEN_FIELDS, Setting
from monoskope.errors import RefusedError, UsageError, docs_page
from monoskope.settings import read_private

if TYPE_CHECKING:
    from monoskope.client.login.credential import Credential


def find_credential(
    found: Mapping[str, Setting], servers: Sequence[str], environ: Mapping[str, str]
) -> Credential | None:
    """Return the login for the first of `servers`, else what this build job can show; None if a token is given.

    Raises:
        UsageError: there is none of them, or a credential of the environment is for another server.
        RefusedError: others can reach a login, or it is not from the issuer that this machine fixes.
    """
    given = has(found, "token_file")
    check_environment(found, TOKEN_FIELDS if given else ("login_audience",), environ)
    if given:
        return None
    from monoskope.client.login.credential import ambient  # noqa: PLC0415 - a token that is given needs none of it

    _check_login(found, servers[0], environ)
    audience = found["login_audience"].value if "login_audience" in found else servers[0]
    credential = ambient(servers[0], audience, environ)
    if credential is None:
        raise missing("token_file", found["server"])
    return credential


def _check_login(found: Mapping[str, Setting], server: str, environ: Mapping[str, str]) -> None:
    """Raise `RefusedError` if the login that is kept for a server is not as the administrator fixed logins."""
    issuer = found.get("login_issuer")
    if issuer is None or not issuer.fixed:
        return
    from monoskope.client.login.credential import login_path, read  # noqa: PLC0415 - few machines fix it

    path = login_path(server, environ)
    kept = None if path is None else read(path)
    for name in LOGIN_FIELDS:
        fixed = found[name].value if name in found else ""
        field = name.removeprefix("login_")
        fixed = fixed or (kept.client_id if field == "audience" and kept is not None else "")
        if kept is not None and field in kept.__struct_fields__ and getattr(kept, field) != fixed:
            raise RefusedError(
                f"the login in {path} has another {name} than {issuer.source} says.",
                fix="Log in again: `monoctl login`.",
            )


def token_source(found: Mapping[str, Setting]) -> str:
    """Return where the token comes from. One given as text counts before a file, in each source."""
    if "token" in found:
        return found["token"].source
    return f"{found['token_file'].value} ({found['token_file'].source})" if "token_file" in found else ""


def find_token(found: Mapping[str, Setting], text: str) -> str:
    """Return the token that is given, as `text` or in a file. Raises `UsageError`, `RefusedError`."""
    if "token" in found:
        return check_token(text.strip(), found["token"].source)
    return read_token(Path(found["token_file"].value))


def read_token(path: Path) -> str:
    """Return the token in `path`. Raises `UsageError`, `RefusedError` if others can reach the file."""
    return check_token(read_private(path, client=True).decode("ascii", "replace").strip(), str(path))


def check_token(token: str, where: str) -> str:
    """Return `token` if it is of printable ASCII without spaces, else raise `UsageError`, which does not show it."""
    if not token or not all("!" <= character <= "~" for character in token):
        raise UsageError(f"{where} does not hold a token.", fix="Ask an administrator for one: `m8 token create`.")
    return token


def missing(name: str, server: Setting | None) -> UsageError:
    """Return the error for a setting that nothing gives."""
    ways = f"`{name}`, MONOCTL_{name.upper()} or `monoctl config set {name} VALUE`"
    if server is None:
        return UsageError(f"no {name} is configured.", fix=f"Start `m8 dev`, or give {ways}.")
    where = f"for {server.value} ({server.source})"
    if name == "token_file":
        return UsageError(
            f"you are not logged in, and no {name} is configured {where}.",
            fix=f"Log in with `monoctl login`, or give MONOCTL_TOKEN, {ways}. In a settings file it counts for the"
            f" `server` of that file alone. In a pipeline: {docs_page('ci.md')}.",
        )
    return UsageError(f"no {name} is configured {where}.", fix=f"Give {ways}.")
