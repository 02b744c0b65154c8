"""What build jobs and pods have, in the shapes that their platforms document. Real ones were never met."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from monoskope.client.login import credential as ambient
from monoskope.client.login.credential import ID_TOKEN, JWT, Credential, Issued, KeptLogin, find_login, login_path
from monoskope.client.login.renewing import write
from monoskope.client.login.workload import WorkloadToken, workload
from monoskope.client.runtime.blocking import BlockingRuntime, run
from monoskope.client.settings import load_settings
from monoskope.errors import Code, Error, RefusedError, UnauthenticatedError, UsageError
from tests.support.exchanging import jwt
from tests.support.scripted_issuer import ScriptedIssuer

SERVER = "m8.example.org:7443"
GITHUB = jwt(iss="https://token.actions.githubusercontent.com", aud=SERVER, sub="repo:corp/app:ref:refs/heads/main")
GITLAB = jwt(iss="https://gitlab.example.org", aud=SERVER, sub="project_path:corp/app:ref_type:branch:ref:main")
POD = jwt(iss="https://kubernetes.default.svc", aud=[SERVER], sub="system:serviceaccount:team-a:deploy")


class Exchanged:
    """What m8 was given."""

    def __init__(self) -> None:
        self.came: list[tuple[str, str]] = []

    async def __call__(self, token: str, kind: str) -> Issued:
        self.came.append((token, kind))
        return Issued("m8's", 900.0)


def came(credential: Credential | None) -> list[tuple[str, str]]:
    assert credential is not None
    exchange = Exchanged()
    assert run(credential.issue(exchange, BlockingRuntime(), refused="")).token == "m8's"
    return exchange.came


def refused(credential: Credential | None) -> Error:
    assert credential is not None
    exchange = Exchanged()
    with pytest.raises(Error) as caught:
        run(credential.issue(exchange, BlockingRuntime(), refused=""))
    assert exchange.came == []
    return caught.value


@pytest.fixture
def github(scripted: ScriptedIssuer, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("SSL_CERT_FILE", str(scripted.ca_file))
    scripted.answers["/token"] = [(200, {"value": GITHUB})]
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{scripted.url}/token?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "runner",
    }


def test_a_job_of_github_asks_for_a_token_that_names_this_m8(scripted: ScriptedIssuer, github: dict[str, str]) -> None:
    assert came(ambient.ambient(SERVER, SERVER, github)) == [(GITHUB, JWT)]
    assert scripted.asked[-1][0] == "/token?api-version=2.0&audience=m8.example.org%3A7443"
    assert scripted.authorizations[-1] == "Bearer runner"


@pytest.mark.parametrize(
    ("status", "content", "code"),
    [
        (403, {}, Code.PROTOCOL),
        (200, {}, Code.PROTOCOL),
        (200, b"x", Code.PROTOCOL),
        (302, {}, Code.PROTOCOL),
        (500, {}, Code.UNAVAILABLE),
    ],
)
def test_a_job_of_github_that_gets_no_token_says_so(
    scripted: ScriptedIssuer, github: dict[str, str], status: int, content: object, code: Code
) -> None:
    scripted.answers["/token"] = [(status, content)]
    assert refused(ambient.ambient(SERVER, SERVER, github)).code is code


def test_the_runners_own_token_goes_to_no_address_without_tls(github: dict[str, str]) -> None:
    url = {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://localhost/token"}
    error = refused(ambient.ambient(SERVER, SERVER, github | url))
    assert (error.code, "is not an https:// URL" in error.message) == (Code.USAGE, True)


def test_a_job_of_gitlab_hands_its_token_over_in_a_variable(github: dict[str, str]) -> None:
    given = github | {"MONOCTL_ID_TOKEN": GITLAB}
    assert came(ambient.ambient(SERVER, SERVER, given)) == [(GITLAB, JWT)]


@pytest.mark.parametrize(
    "audience", ["https://gitlab.example.org", [SERVER, "https://vault.example.org"], None, SERVER + "/"]
)
def test_a_token_that_is_not_for_this_m8_alone_is_not_sent(audience: object) -> None:
    token = jwt(aud=audience, sub="x")
    error = refused(ambient.ambient(SERVER, SERVER, {"MONOCTL_ID_TOKEN": token}))
    assert isinstance(error, UnauthenticatedError)
    assert error.message == (
        f"MONOCTL_ID_TOKEN is not for this m8: its audience is not exactly {SERVER!r}. It was not sent."
    )
    assert token not in str(error)


def test_a_pod_reads_the_token_that_was_projected_for_m8_and_no_other(tmp_path: Path) -> None:
    assert str(ambient.KUBERNETES) == "/var/run/secrets/monoskope/token"
    path = tmp_path / "token"
    path.write_text(f"{POD}\n")
    path.chmod(0o600)
    assert came(workload(SERVER, {}, pod=path)) == [(POD, JWT)]
    path.write_text(jwt(aud=["https://kubernetes.default.svc"]))  # the API server's own
    assert refused(workload(SERVER, {}, pod=path)).code is Code.UNAUTHENTICATED
    path.chmod(0o644)
    assert isinstance(refused(workload(SERVER, {}, pod=path)), RefusedError)


def test_nothing_is_found_where_nothing_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ambient, "KUBERNETES", tmp_path / "token")
    assert ambient.ambient(SERVER, SERVER, {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://localhost"}) is None


@pytest.mark.parametrize("text", ["", " ", "x" * 20_000])
def test_what_is_no_token_is_told(text: str) -> None:
    assert "holds no token" in refused(WorkloadToken(lambda: text, audience=SERVER)).message


def test_a_programs_own_id_token_is_exchanged_as_one() -> None:
    token = jwt(aud="m8", sub="x")
    assert came(WorkloadToken(lambda: token, audience="m8", is_id_token=True)) == [(token, ID_TOKEN)]


def test_explicit_beats_ambient(tmp_path: Path, github: dict[str, str]) -> None:
    home = {"HOME": str(tmp_path), "MONOCTL_SERVER": SERVER}
    file = tmp_path / "token"
    file.write_text("of-a-file")
    file.chmod(0o600)
    everything = home | github | {"MONOCTL_ID_TOKEN": GITLAB}
    path = login_path(SERVER, home)
    assert path is not None
    path.parent.mkdir(parents=True)
    write(path, KeptLogin(server=SERVER, issuer="https://login.example.org", client_id="c", audience="c"))

    def source(environ: dict[str, str], **given: str) -> str:
        return load_settings(**given, environ=environ).credential_source  # type: ignore[arg-type]

    by_text, by_file = {"MONOCTL_TOKEN": "t"}, {"MONOCTL_TOKEN_FILE": str(file)}
    assert source(everything | by_text, token_file=str(file)) == f"{file} (`token_file`)"
    assert source(everything | by_text) == "MONOCTL_TOKEN"
    assert source(everything | by_file) == f"{file} (MONOCTL_TOKEN_FILE)"
    assert source(everything) == "the login at https://login.example.org"
    path.unlink()
    assert source(everything) == "MONOCTL_ID_TOKEN"
    assert source(home | github) == "GitHub Actions, for this job"
    with pytest.raises(UsageError, match="no token_file is configured"):
        source(home)


def test_an_audience_can_be_named(tmp_path: Path) -> None:
    token = jwt(aud="m8", sub="x")
    environ = {"HOME": str(tmp_path), "MONOCTL_SERVER": SERVER, "MONOCTL_ID_TOKEN": token}
    assert came(load_settings(environ=environ | {"MONOCTL_LOGIN_AUDIENCE": "m8"}).credential) == [(token, JWT)]
    assert refused(load_settings(environ=environ).credential).code is Code.UNAUTHENTICATED


def test_a_login_is_for_its_own_server(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    path = login_path(SERVER, home)
    assert path is not None
    path.parent.mkdir(parents=True)
    own = KeptLogin(server=SERVER, issuer="https://i.example", client_id="c", audience="c")
    write(path, structs.replace(own, server="https://other.example.org:7480"))
    assert find_login(SERVER, home) is None
    write(path, own)
    assert find_login(SERVER, home) is not None
    path.chmod(0o644)
    with pytest.raises(RefusedError):
        find_login(SERVER, home)
