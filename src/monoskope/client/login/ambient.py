"""What counts where no token was given: the login that is kept for the server, else what a build job has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monoskope.client.login.credential import Credential
from monoskope.client.login.kept import Login, find_login
from monoskope.client.sources import ID_TOKEN_VARIABLE

GITHUB = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""What GitHub gives a job with `permissions: id-token: write`."""
KUBERNETES = Path("/var/run/secrets/monoskope/token")
"""Where a pod has the projected token for m8. The one for the API server itself is never read."""


def ambient(server: str, audience: str, environ: Mapping[str, str]) -> Credential | None:
    """Return what there is, the most explicit first; None if there is nothing.

    Args:
        server: The first server that is dialled.
        audience: What a build job's token must name as its audience.
        environ: The environment.

    Raises:
        UsageError: a login is malformed.
        RefusedError: others can reach the login or the pod's token.
    """
    login: Login | None = find_login(server, environ)
    if login is not None:
        return login
    if environ.get(ID_TOKEN_VARIABLE) or all(environ.get(name) for name in GITHUB) or KUBERNETES.exists():
        from monoskope.client.login.workload import workload  # noqa: PLC0415 - a person has none

        return workload(audience, environ)
    return None
