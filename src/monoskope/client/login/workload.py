"""What a build job or a pod has to show: a JWT of its platform, made for this m8 alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from monoskope.client.http.transport import find_roots
from monoskope.client.known.table import ID_TOKEN_VARIABLE
from monoskope.client.login.credential import GITHUB, ID_TOKEN, JWT, KUBERNETES, Exchange, Issued
from monoskope.client.login.id_token import MOST_TOKEN, check_audience
from monoskope.client.login.issuer import object_in, origin_of, request
from monoskope.client.runtime import Runtime
from monoskope.errors import ProtocolError, UnauthenticatedError, UsageError
from monoskope.settings import read_private
from monoskope.value import Unshared


class WorkloadToken(Unshared):
    """Exchanges a JWT that a function returns, whenever a token of m8 is needed; keeps nothing on disk.

    ```python
    settings = ClientSettings(server="m8.example.org:7443", credential=WorkloadToken(read, audience="m8"))
    ```

    Args:
        read: Returns the JWT of now. It may block: it is called in a thread of its own where that is possible.
        audience: What the JWT must name as its audience, and nothing else: the one that m8's settings give.
        source: Where the JWT comes from, in words for a person.
        is_id_token: Whether it is an ID token of OpenID Connect.
    """

    def __init__(
        self, read: Callable[[], str], *, audience: str, source: str = "a workload's token", is_id_token: bool = False
    ) -> None:
        self._read = read
        self._audience = audience
        self._type = ID_TOKEN if is_id_token else JWT
        self.source = source

    def __repr__(self) -> str:
        return f"<WorkloadToken of {self.source}>"

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        """Return a new token of m8.

        Raises:
            UnauthenticatedError: the JWT is not for this m8; it was not sent.
            Error: what `read` raises, and what m8 says.
        """
        del refused
        token = (await runtime.run_blocking(self._read)).strip()
        if not token or len(token) > MOST_TOKEN:
            raise UnauthenticatedError(f"{self.source} holds no token.", fix="Check how it gets there.")
        check_audience(
            token,
            self._audience,
            where=self.source,
            fix=f"Have it made for {self._audience!r}, or name another audience in MONOCTL_LOGIN_AUDIENCE.",
        )
        return await exchange(token, self._type)


def workload(audience: str, environ: Mapping[str, str], *, pod: Path = KUBERNETES) -> WorkloadToken:
    """Return what this build job or pod has, the most explicit first."""
    if environ.get(ID_TOKEN_VARIABLE):
        given = environ[ID_TOKEN_VARIABLE]
        return WorkloadToken(lambda: given, audience=audience, source=ID_TOKEN_VARIABLE)
    if all(environ.get(name) for name in GITHUB):
        url, bearer = (environ[name] for name in GITHUB)
        return WorkloadToken(
            lambda: _of_github(url, bearer, audience), audience=audience, source="GitHub Actions, for this job"
        )
    return WorkloadToken(
        lambda: read_private(pod, client=True).decode("ascii", "replace"), audience=audience, source=str(pod)
    )


def _of_github(url: str, bearer: str, audience: str) -> str:
    """Ask GitHub for a token of this job that names `audience`."""
    origin = origin_of(url)
    if origin is None:
        raise UsageError(f"{GITHUB[0]} is not an https:// URL.", fix="Unset it where no job of GitHub Actions runs.")
    asked = f"{url}{'&' if urlsplit(url).query else '?'}audience={quote(audience, safe='')}"
    headers = (("accept", "application/json"), ("authorization", f"Bearer {bearer}"))
    answer = request("GET", asked, headers, None, find_roots(None, ""), named=origin[0])
    value = (object_in(answer) or {}).get("value") if answer.status == 200 else None
    if not isinstance(value, str):
        raise ProtocolError(
            f"GitHub gives this job no token: HTTP {answer.status}.", fix="Give the job `permissions: id-token: write`."
        )
    return value
