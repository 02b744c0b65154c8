"""What a login for `m8 init` asks the issuer for."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from monoskope.client.login.starting import LoginSettings
from monoskope.monoctl.commands import handed_login


@pytest.mark.parametrize(
    ("has", "asks"),
    [
        (frozenset({"openid", "email", "profile", "groups", "address"}), "groups profile email"),
        (frozenset({"openid", "groups"}), "groups"),
        (None, ""),
    ],
)
def test_groups_name_and_address_are_asked_for_where_the_issuer_has_them(
    monkeypatch: pytest.MonkeyPatch, has: frozenset[str] | None, asks: str
) -> None:
    monkeypatch.setattr(handed_login, "discover", lambda _: SimpleNamespace(scopes=has))
    settings = LoginSettings(server="", issuer="https://login.example.org", client_id="monoctl", audience="monoctl")
    assert handed_login._usual(settings) == asks
