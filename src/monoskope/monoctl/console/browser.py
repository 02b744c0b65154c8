"""Pages in the user's browser: where the console listens for them, and how it opens them with a one-time link.

A browser remembers pages by their origin, which is scheme, host and port. A program that served the same origin
earlier, such as another user's, may have left something behind: a service worker, pages to be kept for a year, an open
connection. The browser would show that in place of our page, with our link's token. The 16 million addresses of
127.0.0.0/8 all lead back to this machine, on Linux and Windows, and no program can have prepared all of them.

Every user can read the command line of a process (`ps`), so the address with the token is on none: it stands in a file
of the user's own, in a folder of the user's own, and that file sends the browser on.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import os
import secrets
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from pathlib import Path

from monoskope import start

USUAL = "127.0.0.1"
"""Where other systems have the only address of loopback, and where tunnels lead to."""

_FIRST = int(IPv4Address("127.0.0.2"))
_LAST = int(IPv4Address("127.255.255.254"))


def hosts(*, is_own: bool) -> Iterator[str]:
    """Yield the addresses at which to try to listen, the best first.

    Args:
        is_own: Whether a random address will do. It does not where the user leads a tunnel there.
    """
    if is_own:
        yield str(IPv4Address(_FIRST + secrets.randbelow(_LAST - _FIRST + 1)))
    yield USUAL


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'">
<meta http-equiv="refresh" content="0; url={address}">
<title>monoctl console</title>
</head>
<body></body>
</html>
"""

_TEXT_BROWSERS = frozenset({"www-browser", "links", "elinks", "lynx", "w3m"})
"""They run no script, and would take the terminal from us."""


_PREFIX = "monoctl-console-"


class Folder:
    """A folder that the user alone can enter, for the pages that send the browser on."""

    def __init__(self) -> None:
        self._path = Path(_made(runtime_folder()))  # of mode 0700
        self._made = 0

    def add(self, address: str) -> Path:
        """Return a new file, of mode 0600, that sends a browser to `address`. The ones before it are removed."""
        self.clear()
        self._made += 1
        file = self._path / f"open-{self._made}.html"
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(_PAGE.format(address=html.escape(address)))
        return file

    def clear(self) -> None:
        """Remove the files: they were used, or count no more."""
        for file in self._path.glob("*.html"):
            with contextlib.suppress(OSError):
                file.unlink()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._path, ignore_errors=True)


def _made(folder: Path | None) -> str:
    if folder is not None:
        with contextlib.suppress(OSError):  # it is full, or may not be written
            return tempfile.mkdtemp(prefix=_PREFIX, dir=folder)
    return tempfile.mkdtemp(prefix=_PREFIX)


def runtime_folder() -> Path | None:
    """Return the folder that the system keeps for this user alone, in memory, until they log out; None if it has none.

    It counts if it is as the XDG Base Directory Specification wants it: the user's own, and of mode 0700.
    """
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    if not Path(given).is_absolute() or not hasattr(os, "geteuid"):
        return None
    try:
        found = os.lstat(given)
    except OSError:
        return None
    is_own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return Path(given) if is_own and stat.S_IMODE(found.st_mode) == stat.S_IRWXU else None


def show(file: Path, failed: Callable[[], None]) -> None:
    """Let the user's browser show a file, in a thread, since some browsers return only when they end.

    Args:
        file: What to show.
        failed: Called in that thread if there is no browser that runs the page.
    """
    # The settings under which this process was executed again are for its own memory, not for a browser's.
    for name in start.EXECUTION:
        os.environ.pop(name, None)
    uri = file.as_uri()

    def run() -> None:
        if not shown(uri):
            failed()

    threading.Thread(target=run, daemon=True).start()


def shown(uri: str) -> bool:
    """Show an address in the user's browser; return whether there is one that runs the page. Some return late."""
    import webbrowser  # noqa: PLC0415 - it looks for browsers when it is loaded

    try:
        browser = webbrowser.get()
        return getattr(browser, "basename", "") not in _TEXT_BROWSERS and browser.open(uri)
    except (webbrowser.Error, OSError):
        return False


class Pages:
    """Opens pages of a console, each with a link of its own.

    Args:
        new_link: Makes the token of a link.
        say: Says one sentence to the user in the terminal.
        prepare: Called before each page is opened.
        opens_browser: Whether pages are opened in a browser; else their addresses are printed.
    """

    def __init__(
        self,
        new_link: Callable[[], str],
        say: Callable[[str], None],
        prepare: Callable[[], None],
        *,
        opens_browser: bool,
    ) -> None:
        self.place = ""
        self._new_link = new_link
        self._say = say
        self._prepare = prepare
        self._folder = Folder() if opens_browser else None

    def open(self) -> None:
        """Open a page, or print its address."""
        self._prepare()
        if self._folder is None:
            self._print()
            return
        file = self._folder.add(self._address())
        self._say(f"A page of http://{self.place} opens in your browser.")
        loop = asyncio.get_running_loop()

        def failed() -> None:
            with contextlib.suppress(RuntimeError):  # the console has ended
                loop.call_soon_threadsafe(self._print_instead)

        show(file, failed)

    def _print_instead(self) -> None:
        self._say("No browser opened here.")
        self._print()

    def _print(self) -> None:
        # In this order: the buffer of the output still holds what was printed, until as much is printed after it.
        self._say(self._address())
        self._say("Open this address in your browser, once and within two minutes. Then it is worth nothing.")

    def _address(self) -> str:
        return f"http://{self.place}/#{self._new_link()}"

    def clear(self) -> None:
        """Remove the files with links."""
        if self._folder is not None:
            self._folder.clear()

    def remove(self) -> None:
        """Remove the folder with them, too."""
        if self._folder is not None:
            self._folder.remove()
