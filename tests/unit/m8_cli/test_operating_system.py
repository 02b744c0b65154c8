"""Whom the log names for what is done at the server's command line."""

from __future__ import annotations

import os
import pwd

import pytest

from monoskope.m8.credentials import operating_system

ACCOUNT = pwd.getpwuid(os.geteuid()).pw_name


@pytest.mark.parametrize("caller", ["", ACCOUNT, "nobody knows", "no-such-account-here", "m8/os/root", "../x", "a\nb"])
def test_only_another_account_that_exists_counts_as_the_one_behind_sudo(caller: str) -> None:
    assert operating_system.actor({"SUDO_USER": caller}) == f"m8/os/{ACCOUNT}"


def test_who_called_sudo_is_named_beside_the_account() -> None:
    assert operating_system.actor({"SUDO_USER": "daemon"}) == f"m8/os/{ACCOUNT}/sudo/daemon"


def test_an_account_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 2_000_000_001)
    assert operating_system.actor({}) == "m8/os/2000000001"


def test_a_name_that_does_not_fit_the_record_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = pwd.struct_passwd(("DOMAIN\\anna", "x", 1, 1, "", "/", "/bin/sh"))
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    assert operating_system.actor({}) == "m8/os/4711"
