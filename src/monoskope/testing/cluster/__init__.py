"""The whole product on one machine, from real parts: m8, OpenBao, reactors, an administrator and users.

Everything is done through the programs that people use, and each part is a process of its own. One folder holds it all:
`m8`, `openbao`, `reactor-<store>`, and a home folder for each person. Commands run in that folder, so the command lines
that `tell` is given work for whoever types them there.

    with Cluster(folder) as cluster:
        cluster.start()
        anna = cluster.add_user("anna", prefixes=["vault://team-a", "local://team-a"])
        anna.monoctl("put", "secret", "vault://team-a/db", "--from-file", "password=-", input=b"…")
"""

from __future__ import annotations

import contextlib
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import tomli_w

from monoskope.errors import UnavailableError
from monoskope.settings import write_private
from monoskope.testing.cluster.commands import Commands, Environments, Ran, User
from monoskope.testing.engines.openbao import OpenBao
from monoskope.testing.engines.openbao_files import Storage
from monoskope.testing.parts import Part, free_port, listens, wait_until

MOUNT = "secret"
"""Where OpenBao's KV version 2 engine is mounted."""

PREFIX = "m8"
"""The path in it below which the reactor of a vault store may write."""

_WORD = '"attached"'
_SAYS_S = 5.0
"""How long a reactor that starts is waited for by its log alone: it may write that elsewhere, or in other words."""

ALL_RIGHTS = ("put", "compare", "see-hash", "delete", "copy", "undelete", "rollback")


_FIRST: Mapping[str, object] = MappingProxyType({})
"""The engine's first settings, and no others."""


@contextlib.contextmanager
def editing(file: Path) -> Iterator[dict[str, Any]]:
    """Yield what a settings file has, and write what the block makes of it, as a person does with an editor."""
    table = tomllib.loads(file.read_text(encoding="utf-8"))
    yield table
    write_private(file, tomli_w.dumps(table).encode(), replace=True)


class Cluster(Commands):
    """One m8, one OpenBao and any number of reactors in `folder`. Leaving it as a context manager stops them all.

    Args:
        folder: Empty or missing.
        tell: Told of every command that ran.
        storage: OpenBao's.
        environments: See `Commands.environments`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tell: Callable[[Ran], None] | None = None,
        storage: Storage = "pebbledb",
        environments: Environments | None = None,
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(folder.absolute(), OpenBao(folder / "openbao", storage=storage), tell, environments)
        self.server = f"127.0.0.1:{free_port()}"
        self.m8 = self.part("m8", "m8", "serve", "--dir", "m8", log="m8/m8.log")
        self.reactors: dict[str, Part] = {}
        self.identities: dict[str, str] = {}
        """Shown identity by store."""
        self._types: dict[str, str] = {}
        self._administrator: User | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- everything at once ---

    def start(self, *, readable: bool = True, stores: Sequence[str] = ("vault", "local")) -> None:
        """Start m8 and OpenBao, then `vault` and `local` stores with a reactor each, active and attached.

        Args:
            readable: As in `make_vault_reactor`.
            stores: Which.
        """
        self.start_m8()
        self.start_openbao()
        for store in stores:
            if store == "local":
                self.make_local_reactor(store)
            else:
                self.make_vault_reactor(store, readable=readable)
        self.share_fingerprint_key(*(f"reactor-{store}" for store in stores))
        for store in stores:
            self.add_store(store)
            self.start_reactor(store)

    def close(self) -> None:
        """Stop everything that runs, reactors first, and return when nothing is left."""
        with ExitStack() as last:
            last.callback(self.bao.stop)
            last.callback(self.m8.stop)
            for part in self.reactors.values():
                last.callback(part.stop)
            for part in self.reactors.values():
                part.ask_to_stop()

    @property
    def dialled(self) -> str:
        """What clients and reactors are told to dial."""
        return self.server

    @property
    def pids(self) -> dict[str, int]:
        """The process id of every part that runs."""
        parts = {"m8": self.m8.pid, "openbao": self.bao.pid}
        parts |= {name: part.pid for name, part in self.reactors.items()}
        return {name: pid for name, pid in parts.items() if pid is not None}

    # --- m8 and its people ---

    def start_m8(self) -> None:
        """Lay out m8's folder at the first call, start m8, and return when it listens."""
        if not (self.folder / "m8" / "m8.toml").exists():
            self.must("m8", "init", "folder", "--dir", "m8", "--listen", self.server)
        _lift(self.folder / "m8" / "m8.toml", "", "puts_per_hour_per_user = 0\n")
        self.m8.start()
        self.m8.wait_for(lambda: listens(self.server))

    @property
    def administrator(self) -> User:
        """An administrator of m8, made at the first look."""
        if self._administrator is None:
            self._administrator = self._add_person("administrator", "--role", "administrator")
        return self._administrator

    def add_user(
        self, name: str, *, prefixes: Sequence[str], rights: Sequence[str] = ALL_RIGHTS, pin: bool = True
    ) -> User:
        """Make a user with a token for `prefixes` and `rights`.

        Args:
            name: Also the folder's name.
            prefixes: URI prefixes, e.g. "vault://team-a".
            rights: Some of `ALL_RIGHTS`.
            pin: Put the stores' identities and the default into the user's `known_stores`, as an administrator would.
        """
        given = [("--prefix", prefix) for prefix in prefixes] + [("--right", right) for right in rights]
        user = self._add_person(name, "--role", "user", *(word for option in given for word in option))
        if pin:
            self.pin_all(user)
        return user

    def _add_person(self, name: str, *options: str) -> User:
        user = User(name, self.folder / name, self)
        config = user.token_file.parent
        config.mkdir(mode=0o700, parents=True)
        user.home.chmod(0o700)
        self.make_token(name, *options, out=user.token_file)
        table = {"server": self.dialled, "ca_file": str(self.folder / "m8" / "ca.crt"), "token_file": "token"}
        write_private(config / "config.toml", tomli_w.dumps(table).encode())
        return user

    def make_token(self, subject: str, *options: str, out: Path) -> None:
        """Write a new token for `subject`, with the options of `m8 token create`, to the file `out` in the folder."""
        words = ("--subject", subject, *options, "--out", str(out.relative_to(self.folder)))
        self.must("m8", "token", "create", "--dir", "m8", *words)

    def pin_all(self, user: User) -> None:
        """Give a user the identity of every store, and the first one as the default."""
        lines = [f"{self.server} {store} {identity}\n" for store, identity in self.identities.items()]
        if self.identities:
            lines.insert(0, f"{self.server} @default {next(iter(self.identities))}\n")
        write_private(user.known_stores, "".join(lines).encode(), replace=True)

    # --- stores and their reactors ---

    def start_openbao(self) -> None:
        """Start OpenBao; at the first call enable its KV engine and its AppRole login."""
        first = not (self.bao.folder / "ready").exists()
        self.bao.start()
        if first:
            self.bao.enable_kv(MOUNT)
            self.bao.enable_approle()
            (self.bao.folder / "ready").touch()

    def make_vault_reactor(
        self,
        store: str,
        *,
        folder: str = "",
        readable: bool = False,
        kind: str = "vault",
        mount: str = MOUNT,
        server: str = "",
    ) -> None:
        """Make the folder of a reactor that may write below `PREFIX` alone, and its role with a wrapped secret id.

        Args:
            store: The store's name.
            folder: Another replica's folder, "" for `reactor-<store>`.
            readable: Let it read values back, so that it can compare with what others wrote.
            kind: "vault", or "vault-kv1" for a `mount` of KV version 1.
            mount: Where the engine is mounted; `start_openbao` mounts the default.
            server: What it dials, "" for `dialled`.
        """
        role = f"m8-{folder or f'reactor-{store}'}"
        self.bao.create_role(role, [role])
        home = self._init_reactor(
            store,
            folder,
            kind,
            server,
            engine={
                "address": self.bao.address,
                "ca_file": str(self.bao.ca_file),
                "mount": mount,
                "prefix": PREFIX,
                "readable": readable,
                **({"patchable": True, "restorable": True, "binary": True} if kind == "vault" else {}),
                "deletable": True,
                "listable": True,
                "auth": {"role_id": self.bao.role_id(role)},
            },
        )
        write_private(home / "wrapped-secret-id", self.bao.wrapped_secret_id(role).encode())
        self.bao.write_policy(role, self.must("m8", "reactor", "policy", home.name).out)

    def make_local_reactor(self, store: str, *, folder: str = "", server: str = "") -> None:
        """Make the folder of a reactor that keeps age files in `secrets` in it; `server` as in `make_vault_reactor`."""
        self._init_reactor(store, folder, "age", server)

    def make_reactor(self, store: str, kind: str, engine: Mapping[str, object], *, accounts: str = "") -> Path:
        """Make the folder of a reactor for an engine of any kind, with changes to the engine's first settings.

        `accounts` is the pattern of the accounts that it serves, with an engine of accounts alone.
        """
        return self._init_reactor(store, "", kind, engine=engine, accounts=accounts)

    def _init_reactor(
        self,
        store: str,
        folder: str,
        kind: str,
        server: str = "",
        *,
        engine: Mapping[str, object] = _FIRST,
        accounts: str = "",
    ) -> Path:
        home = self.folder / (folder or f"reactor-{store}")
        options = ("--store", store, "--type", kind, "--server", server or self.dialled, "--ca-file", "m8/ca.crt")
        options += (*_set_words(engine), *(("--account", accounts) if accounts else ()))
        ran = self.must("m8", "reactor", "init", home.name, *options, "--prefix", "", "--allow-swap")
        _lift(home / "reactor.toml", "[limits]\n", "puts_per_hour = 1_000_000\n")
        if store in self.identities:
            # A replica: the store's own identity moves in.
            source = self.folder / f"reactor-{store}" / "identity.key"
            write_private(home / "identity.key", source.read_bytes(), replace=True)
        else:
            self._types[store] = kind
            self.identities[store] = ran.out.split()[-1]
        return home

    def allow_copy(self, store: str, to: str, *, source: str = "", destination: str = "") -> None:
        """Let the reactor of `store` copy from below `source` to below `destination` in `to`, once it starts anew."""
        rule = {"to": to, "identity": self.identities[to], "paths": [{"from": source, "to": destination}]}
        with editing(self.folder / f"reactor-{store}" / "reactor.toml") as table:
            table["copy"] = [*table.get("copy", []), rule]

    def share_fingerprint_key(self, first: str, *others: str, replace: bool = False) -> None:
        """Make the fingerprint key in one reactor's folder, and carry it to the others in an age file."""
        options = ("--replace",) if replace else ()
        if not (self.folder / first / "fingerprint.key").exists():
            self.must("m8", "reactor", "fingerprint-key", "new", first)
        for other in others:
            key, parcel = self.folder / "carrier.agekey", self.folder / "fingerprint-key.age"
            identity, recipient = _age_key()
            write_private(key, identity.encode())
            self.must("m8", "reactor", "fingerprint-key", "export", first, "--recipient", recipient, "-o", parcel.name)
            self.must(
                "m8", "reactor", "fingerprint-key", "import", other, parcel.name, "--identity", key.name, *options
            )
            key.unlink()
            parcel.unlink()

    def add_store(self, store: str) -> None:
        """Add a store to m8 and activate it, as the administrator."""
        admin, kind = self.administrator, self._types[store]
        words = ("--type", kind, "--identity", self.identities[store], "--activate")
        self.must("monoctl", "create", "secret-store", store, *words, user=admin)

    def join_store(self, store: str, *, key_of: str) -> Part:
        """Let a reactor that was made serve its store, with the fingerprint key of the one in the folder `key_of`."""
        self.share_fingerprint_key(key_of, f"reactor-{store}")
        self.add_store(store)
        return self.start_reactor(store)

    def start_reactor(self, store: str, *, folder: str = "") -> Part:
        """Start a reactor, unless it runs, and return when it is attached.

        That is what its log says. m8 is asked where the log is elsewhere or in other words, and where several m8 are to
        know.
        """
        home = folder or f"reactor-{store}"
        part = self.reactors.get(home) or self.part(home, "m8", "reactor", "run", home, log=f"{home}/reactor.log")
        self.reactors[home] = part
        if part.pid is None:
            known, several = part.said_bytes, self.dialled != self.server
            is_told = not several and known > 0 and _WORD in part.said_since(0)
            before = set() if is_told else self.attached(store)
            part.start()
            if several or not _says_that_it_is(part, known):
                part.wait_for(lambda: bool(self.attached(store) - before))
        return part

    def attached(self, store: str) -> set[str]:
        """The replicas that m8 says are attached to a store."""
        with self.quietly():
            ran = self.must("monoctl", "describe", "secret-store", store, "-o", "json", user=self.administrator)
        return {reactor["replica"] for reactor in ran.json().get("reactors", []) if reactor.get("attached")}

    def wait_until_detached(self, store: str, count: int) -> None:
        """Wait until m8 says that so many replicas, or fewer, are attached."""
        wait_until(lambda: len(self.attached(store)) <= count, what=f"{count} reactors are left at {store}")


def _says_that_it_is(part: Part, known: int) -> bool:
    """Wait until a reactor's log says, after its first `known` bytes, that it is attached; False if it does not.

    A test that asks m8 instead runs a command each time, for which the reactor that starts has to wait, too.
    """
    with contextlib.suppress(UnavailableError):
        wait_until(
            lambda: part.pid is None or _WORD in part.said_since(known),
            what=f"{part.name} says that it is attached",
            seconds=_SAYS_S,
        )
    return part.pid is not None and _WORD in part.said_since(known)


def _lift(file: Path, after: str, line: str) -> None:
    """Add a line that lets each user put as often as tests do, unless the settings say how often."""
    text = file.read_text(encoding="utf-8")
    if "puts_per_hour" not in text:
        write_private(file, text.replace(after, f"{after}{line}", 1).encode(), replace=True)


def _set_words(engine: Mapping[str, object], *before: str) -> list[str]:
    """Return the options of `m8 reactor init` that give these settings of an engine."""
    words: list[str] = []
    for name, value in engine.items():
        if isinstance(value, Mapping):
            words += _set_words(value, *before, name)
        else:
            text = ",".join(value) if isinstance(value, list) else str(value)
            words += ["--set", f"{'.'.join((*before, name))}={text}"]
    return words


def _age_key() -> tuple[str, str]:
    """A new age identity and its recipient."""
    import pyrage  # noqa: PLC0415 - only those who make reactors have it

    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())
