"""What a compared bundle adds to the pins of this machine. It replaces none and removes none."""

from __future__ import annotations

from pathlib import Path

from monoskope.client.known.logs import NAME, KnownLogs, LogPin
from monoskope.client.known.stores import SYSTEM_FILE, KnownStores
from monoskope.errors import LogMismatchError
from monoskope.protocol.bundle import Bundle
from monoskope.settings import NotWritableError
from monoskope.value import Value


class New(Value, frozen=True):
    """What is not pinned yet."""

    stores: tuple[str, ...]
    log: bool


class MachinePins:
    """The pins of this machine for the servers of one bundle.

    Args:
        path: The user's own `known_stores`, beside which `known_logs` lies.
        bundle: It has been compared before `add` is called.
    """

    def __init__(self, path: Path, bundle: Bundle) -> None:
        self._bundle = bundle
        self._server = bundle.servers[0]
        self._stores = KnownStores(path, servers=bundle.servers)
        self._logs = KnownLogs(path.with_name(NAME), system=SYSTEM_FILE.with_name(NAME), servers=bundle.servers)

    def new(self) -> New:
        """Return what `add` would add. Changes nothing.

        Raises:
            IdentityChangedError, LogMismatchError: something else is pinned; names both.
            UsageError, RefusedError: a file of pins is malformed, or open to others.
        """
        missing = self._stores.missing(self._server, self._bundle.stores, self._bundle.default_store)
        known = self._logs.pin(self._server)
        if known is not None and known.vkeys != self._bundle.log.vkeys:
            wanted = LogPin(self._bundle.log.vkeys)
            raise LogMismatchError(
                f"the log of {self._server} is pinned to {_shown(known)}, and the bundle has {_shown(wanted)}.",
                fix="Nothing was changed. Ask your administrator whether the log was renewed; if it was, run `monoctl"
                " accept-log` first.",
            )
        return New(tuple(sorted(missing)), known is None)

    def add(self) -> None:
        """Pin what is new; a second call adds what an interruption left. Raises as `new`, and `NotWritableError`."""
        new = self.new()
        self._stores.add(self._server, self._bundle.stores, self._bundle.default_store)
        if new.log:
            unwritten = self._logs.remember(self._server, LogPin(self._bundle.log.vkeys), replaces=None)
            if unwritten:
                raise NotWritableError(unwritten, fix="Name a file with `known_stores`: known_logs lies beside it.")


def _shown(pin: LogPin) -> str:
    """Return a log as its Ed25519 key shows it, which has its name."""
    return pin.vkeys[0]
