"""Every way in which a value comes in, and every way in which that fails: each takes new canaries each time."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import subprocess
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from monoskope.client import Client, SyncClient
from monoskope.client.settings import ClientSettings, load_settings
from monoskope.errors import Error
from monoskope.testing.cluster import PREFIX
from monoskope.testing.cluster.commands import Ran
from monoskope.testing.parts import program, wait_until
from tests.leaks.looking import is_stopped
from tests.leaks.world import LeakCluster
from tests.support.console import Console
from tests.support.console_calls import Page, value
from tests.unit.monoctl.on_terminal import converse

Values = Mapping[str, bytes]

PER_SECRET = 60
"""Values in one secret, which has at most 64."""
AT_ONCE = 4
"""Commands that run beside one another."""


class Ways:
    def __init__(self, world: LeakCluster) -> None:
        self.world = world
        self._numbers = itertools.count()
        self._given: list[int] = []

    @property
    def given(self) -> int:
        return sum(self._given)

    def walk(self, wanted: int) -> None:
        """Go all ways again and again, until so many canaries went in."""
        while self.given < wanted or not self.world.consoles:
            with ThreadPoolExecutor(AT_ONCE) as several:
                for done in [several.submit(way) for way in self.beside_one_another()]:
                    done.result()
            self.by_console()

    def beside_one_another(self) -> list[Callable[[], None]]:
        """The ways that are gone together."""
        return [
            *(partial(self._by_file, store) for store in self.world.stores),
            self.by_stdin,
            self.by_env_file,
            self.by_json_file,
            self.by_prompt,
            self.by_http_door,
            self.by_patch,
            self.by_compare,
            self.by_copy,
            self.by_import,
            self.by_async_sdk,
            self.by_sync_sdk,
            self.refused_by_what_is_there,
            self.refused_here,
            self.refused_by_right,
            self.sent_nowhere,
        ]

    # --- by commands ---

    def count(self, given: int) -> None:
        """Count canaries that somebody else put."""
        self._given.append(given)

    def values(self, way: str, count: int = PER_SECRET, *, most: int = 60_000, escaped: bool = False) -> Values:
        self.count(count)
        return self.world.marks.values(way, count, style="escaped" if escaped else "plain", most=most)

    def uri(self, store: str, path: str = "") -> str:
        return self.world.uri(store, path or str(next(self._numbers)))

    def put(self, uri: str, values: Values, *words: str, verb: str = "put", by: str = "json") -> Ran:
        file = self.world.folder / "inputs" / f"{next(self._numbers)}.{by}"
        if by == "json":
            listed = {key: {"base64": b64encode(one).decode()} for key, one in values.items()}
            file.write_text(json.dumps(listed))
        else:
            lines = (b"%b='%b'\n" % (key.replace("-", "_").encode(), one) for key, one in values.items())
            file.write_bytes(b"".join(lines))
        source = "--from-json" if by == "json" else "--from-env-file"
        return self.world.user.monoctl(verb, "secret", uri, source, str(file), *words)

    def _must(self, ran: Ran, *codes: int) -> None:
        assert ran.code in (codes or (0,)), (ran.code, ran.err[-600:], ran.out, ran.arguments[:3])

    def _by_file(self, store: str) -> None:
        limits = {"ssm": (3, 100), "sm": (10, 300), "barbican": (10, 300), "kubernetes": (10, 300)}
        count, most = limits.get(store, (PER_SECRET, 60_000))
        values = self.values(f"put into {store}", count, most=most)
        words = [f"--from-file={key}={self._input(one)}" for key, one in values.items()]
        self._must(self.world.user.monoctl("put", "secret", self.uri(store), *words))

    def _input(self, content: bytes) -> str:
        file = self.world.folder / "inputs" / str(next(self._numbers))
        file.write_bytes(content)
        return str(file)

    def by_stdin(self) -> None:
        no_text = self.world.marks.canaries.value("no text", 3_000, "bytes")
        self.count(1)
        for one in (*self.values("stdin", 2).values(), no_text):
            words = ("put", "secret", self.uri("local"), "--from-file", "key=-")
            self._must(self.world.user.monoctl(*words, input=one))

    def by_env_file(self) -> None:
        self._must(self.put(self.uri("local"), self.values("env file"), by="env"))
        below = self.uri("vault", f"each-{next(self._numbers)}/")
        self._must(self.put(below, self.values("each", 4), "--each", by="env"))

    def by_json_file(self) -> None:
        """A JSON file, with characters that JSON escapes, and a large value."""
        self._must(self.put(self.uri("vault"), self.values("JSON file", escaped=True)))
        self.count(1)
        large = {"large": self.world.marks.canaries.value("large", 60_000, "wide")}
        self._must(self.put(self.uri("local"), large))

    def by_prompt(self) -> None:
        values = self.values("prompt", 3, most=300)
        command = [program("monoctl"), "put", "secret", self.uri("local"), *values]
        steps = [(f"{key}", one + b"\r") for key, one in values.items()]
        typed = converse(command, steps, self.world.quiet(), folder=str(self.world.folder))
        self.world.terminals.append(typed.shown.encode())
        assert typed.code == 0, typed.shown

    def by_http_door(self) -> None:
        """The same through Connect."""
        there = ("--server", self.world.cluster.server, "--token-file", str(self.world.user.token_file))
        self._must(self.put(self.uri("vault"), self.values("HTTP"), *there))

    def by_patch(self) -> None:
        uri = self.uri("vault")
        self._must(self.put(uri, self.values("before a patch", 5)))
        self._must(self.put(uri, self.values("patch"), verb="patch"))

    def by_compare(self) -> None:
        uri, values = self.uri("vault"), self.values("compare")
        self._must(self.put(uri, values))
        self._must(self.put(uri, values, verb="compare"))
        self._must(self.put(uri, self.values("compare, different"), verb="compare"), 12)

    def by_copy(self) -> None:
        uri, number = self.uri("vault"), next(self._numbers)
        self._must(self.put(uri, self.values("copy", 20)))
        self._must(self.world.user.monoctl("copy", "secret", uri, self.uri("local", f"copied-{number}")))

    def by_import(self) -> None:
        """What others put into the engine."""
        uri = self.uri("vault", f"imported-{next(self._numbers)}")
        data = {key: one.decode() for key, one in self.values("import", 20).items()}
        self.world.cluster.bao.call("POST", f"secret/data/{PREFIX}/{uri.removeprefix('vault://')}", {"data": data})
        self._must(self.world.user.monoctl("import", "secret", uri))

    # --- by programs that live on ---

    def _console(self) -> Page:
        """A new console, which takes the place of the last one: its session ends soon when nobody uses it."""
        self.world.close()
        console = Console(self.world.user, environment=self.world.quiet())
        self.world.consoles[:] = [console]
        address = console.address()
        page = Page(int(address.split(":")[2].partition("/")[0]))
        assert page.begin(address.partition("#")[2]).status == 200
        return page

    def by_console(self) -> None:
        """Through the console: good, refused by the store, and malformed."""
        page, uri = self._console(), self.uri("vault")
        values = [value(key, one) for key, one in self.values("console").items()]
        answer = page.send("put", {"uris": [uri]}, values)
        assert "done" in str(answer.document), answer.document
        refused = [value(key, one) for key, one in self.values("console, refused", 10).items()]
        assert "CONFLICT" in str(page.send("put", {"uris": [uri], "expect": "absent"}, refused).document)
        malformed = b"A=1\nB='" + self.world.marks.canaries.value("console, malformed", 3_000)
        self.count(1)
        assert page.send("put", {"uris": [uri]}, [({"kind": "env", "name": ".env"}, malformed)]).status == 400

    def by_async_sdk(self) -> None:
        """Several at once."""

        async def put() -> None:
            async with Client(self._settings()) as client:
                each = [(self.uri(store), self.values("SDK")) for store in ("vault", "local", "vault")]
                await asyncio.gather(*(client.put_secret(uri, values) for uri, values in each))
                for uri, values in each[:1]:
                    assert (await client.compare_secret(uri, values)).equal

        asyncio.run(put())

    def by_sync_sdk(self) -> None:
        """Without a loop, and with what fails."""
        with SyncClient(self._settings()) as client:
            uri = self.uri("local")
            client.put_secret(uri, self.values("SDK, synchronous"))
            for wrong in ("nowhere://x", f"vault://elsewhere/{next(self._numbers)}"):
                with contextlib.suppress(Error):
                    client.put_secret(wrong, self.values("SDK, refused", 5))

    # --- and what fails ---

    def refused_by_what_is_there(self) -> None:
        """Something is there already, and it has another version (check-and-set)."""
        for expected in ("absent", "9@2020-01-01T00:00:00Z"):
            uri = self.uri("vault")
            self._must(self.put(uri, self.values("first", 5)))
            self._must(self.put(uri, self.values(f"refused: {expected}", 20), "--expect", expected), 6)

    def refused_here(self) -> None:
        """What monoctl itself refuses: malformed files, too much, and keys that none can be."""
        inputs = self.world.folder / "inputs"
        for number, form in enumerate((b"A=1\nB='%b", b'{"a":"%b"', b'{"a":"%b","a":1}', b"no key here %b\n")):
            content = self.world.marks.canaries.value("malformed", 600)
            self.count(1)
            kind = "json" if form.startswith(b"{") else "env-file"
            file = inputs / f"malformed-{next(self._numbers)}-{number}"
            file.write_bytes(form % content)
            self._must(self.world.user.monoctl("put", "secret", self.uri("vault"), f"--from-{kind}", str(file)), 2, 3)
        self.count(1)
        large = {"large": self.world.marks.canaries.value("too large", 1_100_000)}
        assert self.put(self.uri("vault"), large).code != 0

    def refused_by_right(self) -> None:
        """No right, no store, no reactor."""
        for uri in ("vault://elsewhere/db", "nowhere://a/b"):
            assert self.put(uri, self.values("refused by right", 10)).code != 0

    def sent_nowhere(self) -> None:
        """Nothing listens there."""
        words = ("--server", "127.0.0.1:1", "--token-file", str(self.world.user.token_file), "--timeout", "1")
        assert self.put(self.uri("vault"), self.values("sent nowhere", 10), *words).code != 0

    def interrupted(self) -> None:
        """Ctrl-C before the secret is sent, and a monoctl that is killed."""
        for ends in (signal.SIGINT, signal.SIGKILL):
            one = self.world.marks.canaries.value("interrupted", 3_000)
            self.count(1)
            uri = self.uri("vault")
            command = [program("monoctl"), "put", "secret", uri, "--from-file", f"key={self._input(one)}"]
            # Pipes that nobody reads meanwhile would be full of what Python says.
            environment = self.world.quiet() | {"MONOSKOPE_FAILPOINTS": "monoctl.before-send=stop"}
            running = subprocess.Popen(
                command, env=environment, cwd=self.world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            wait_until(lambda pid=running.pid: is_stopped(pid), what="monoctl is about to send")  # type: ignore[misc]
            running.send_signal(ends)
            running.send_signal(signal.SIGCONT)
            self.world.terminals.append(b"".join(running.communicate(timeout=60)))

    def _settings(self) -> ClientSettings:
        user = self.world.user
        config = user.token_file.parent / "config.toml"
        return load_settings(config=config, known_stores=user.known_stores, environ={"HOME": str(user.home)})
