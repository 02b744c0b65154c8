"""A certified OpenID Connect provider (npm oidc-provider) as a process, and a user of it who needs no browser."""

from __future__ import annotations

import datetime as dt
import http.cookiejar
import json
import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from monoskope.client.login.starting import LoginSettings
from monoskope.m8.http import tls
from monoskope.testing.parts import needed

NODE = Path(__file__).resolve().parents[1] / "node"
CLIENT_ID = "monoctl"
_FORM = re.compile(r'<form[^>]*action="(?P<action>[^"]+)"[^>]*>(?P<body>.*?)</form>', re.DOTALL)
_INPUT = re.compile(r"<input[^>]*>")
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')


class OpenIdProvider:
    """A running provider."""

    def __init__(self, issuer: str, ca_file: Path) -> None:
        self.issuer = issuer
        self.ca_file = ca_file

    def settings(self, server: str = "https://127.0.0.1:1", **changed: str) -> LoginSettings:
        given = {"server": server, "issuer": self.issuer, "client_id": CLIENT_ID, "audience": CLIENT_ID}
        return LoginSettings(**given | {"ca_file": str(self.ca_file)} | changed)

    def change(self, **changed: Any) -> dict[str, Any]:
        """Change `clock_s`, `down`, `id_token_s` or `rotate`, and return what the provider has counted."""
        request = urllib.request.Request(f"{self.issuer}/test/", json.dumps(changed).encode())
        with urllib.request.urlopen(request, context=self.trusting(), timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))


class User:
    """Somebody who fills in what the provider's pages ask for."""

    def __init__(self, provider: OpenIdProvider, name: str = "anna") -> None:
        self._name = name
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=provider.trusting()), cookies)

    def sign_in(self, address: str) -> str:
        """Open an address, fill in every form that comes, and return the last page."""
        page, at = self._open(address, None)
        for _ in range(8):
            form = _FORM.search(page)
            if form is None:
                return page
            inputs = [dict(_ATTRIBUTE.findall(one)) for one in _INPUT.findall(form["body"])]
            fields = {one["name"]: one.get("value", "") for one in inputs if "name" in one}
            fields |= {"login": self._name, "password": "any"} if "login" in fields else {}
            page, at = self._open(urllib.parse.urljoin(at, form["action"].replace("&amp;", "&")), fields)
        raise AssertionError("the pages do not end")

    def _open(self, address: str, fields: dict[str, str] | None) -> tuple[str, str]:
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        try:
            with self._opener.open(address, data, timeout=30) as answer:
                return answer.read().decode(), answer.url
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode(), address


@contextmanager
def running(folder: Path) -> Iterator[OpenIdProvider]:
    node = needed("node", "nodejs")
    if not (NODE / "node_modules" / "oidc-provider").is_dir():
        pytest.skip("the packages of tests/node are not installed: (cd tests/node && npm ci)")
    made = tls.make(["localhost", "127.0.0.1"], now=dt.datetime.now(dt.UTC))
    for name, content in (("ca.crt", made.ca), ("tls.crt", made.certificate), ("tls.key", made.key)):
        (folder / name).write_bytes(content)
    words = [node, str(NODE / "provider.mjs"), str(folder / "tls.crt"), str(folder / "tls.key")]
    with (folder / "provider.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            yield OpenIdProvider(process.stdout.readline().strip(), folder / "ca.crt")
        finally:
            process.kill()
            process.communicate()
