"""What is kept of a wrapped secret id."""

from __future__ import annotations

from monoskope.stores.vault.logins import _Kept


def test_the_secret_id_is_not_shown() -> None:
    assert "s3cret" not in repr(_Kept(wrapping_token_sha256="", secret_id="s3cret"))
