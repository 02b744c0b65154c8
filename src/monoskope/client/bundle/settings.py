"""What a compared bundle adds to the settings of this machine. It replaces none and removes none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from monoskope.client.known.config_file import Chosen, ConfigFile, Table, check_context, config_path, read_config
from monoskope.client.known.system import read_system
from monoskope.client.known.table import BY_NAME, Setting
from monoskope.client.login.credential import Credential
from monoskope.client.login.starting import LoginSettings
from monoskope.client.settings import ClientSettings
from monoskope.client.settings.writing import write_settings
from monoskope.errors import IdentityChangedError, RefusedError, UsageError
from monoskope.host_port import check_servers
from monoskope.protocol.bundle import Bundle, certificates_in, pem_of
from monoskope.protocol.identity import shown_digest
from monoskope.protocol.tlog.forms import read_base64
from monoskope.settings import write_private
from monoskope.value import Value

_OF_AN_M8 = frozenset({"server", "ca", "log", "login"})
"""The groups of settings that say which m8 is dialled, and where people log in."""


class Place(Value, frozen=True):
    """Where the settings of one m8 stand in the user's file."""

    path: Path
    table: Table
    """What stands there now."""
    context: str | None = None
    """None for the top of the file."""

    @property
    def where(self) -> str:
        """The place, as a person reads it."""
        return Chosen(self.path, self.table, self.context or "").where

    def file(self, value: str) -> Path:
        """Return the path that a setting of this place names."""
        return self.path.parent / Path(value).expanduser()


def place_for(bundle: Bundle, *, context: str | None, config: Path | None) -> Place:
    """Return where the settings for a bundle's m8 stand, or are to stand.

    That is the context that was named, else where this m8 stands already. Else it is the top of the file if nothing is
    configured, or a new context that is called as the host.

    Raises:
        UsageError: the file is malformed, or the context is that of another m8.
        RefusedError: others can reach the file.
    """
    path = config_path(config)
    file = read_config(path)
    if context is None:
        found = next((name for name, table in _tables(file) if _is_same(table, bundle)), None)
        if found == "" or (not file.top.server and not file.contexts):
            return Place(path, file.top)
        context = found or bundle.servers[0].rpartition(":")[0].strip("[]").replace(":", "-")
    table = file.contexts.get(check_context(context), Table())
    if table.server and not _is_same(table, bundle):
        raise UsageError(
            f"the context {context!r} in {path} is for {table.server}, and the bundle for {', '.join(bundle.servers)}.",
            fix="Nothing was changed. Name another context: `monoctl join SERVER --context NAME`.",
        )
    return Place(path, table, context)


def _tables(file: ConfigFile) -> Iterator[tuple[str, Table]]:
    """Yield what a file has, the top of it as ""."""
    yield "", file.top
    yield from file.contexts.items()


def _is_same(table: Table, bundle: Bundle) -> bool:
    return bool(table.server) and not {*check_servers(table.server)}.isdisjoint(bundle.servers)


def ca_of(config: Path, server: str) -> Path:
    """Return where the private authority of a server lies that was joined, beside the settings file `config`."""
    name = "".join(one if one.isalnum() or one in ".-" else "_" for one in server)
    return config.parent / name / "ca.crt"


class MachineSettings:
    """The settings of this machine for the m8 of one bundle.

    Args:
        place: Where they stand.
        bundle: It has been compared before `add` is called.
    """

    def __init__(self, place: Place, bundle: Bundle) -> None:
        self._place = place
        self._bundle = bundle
        self.folder = ca_of(place.path, bundle.servers[0]).parent
        """Where the files lie that only this m8 needs."""
        self._certificates = {"ca_file": bundle.ca, "login_ca_file": bundle.login.ca}
        self._administrator = read_system()
        fixed = {name: setting.value for name, setting in self._administrator.settings().items()}
        self._counting = place.table.texts | fixed
        """What counts on this machine already."""

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers: those that are configured, then those that the bundle adds."""
        server = self._counting.get("server", "")
        return tuple(dict.fromkeys((*(check_servers(server) if server else ()), *self._bundle.servers)))

    @property
    def added(self) -> tuple[str, ...]:
        """The servers that the bundle adds to those of a configured m8: what is kept for that m8 would go to them."""
        server = self._counting.get("server", "")
        return tuple(one for one in self._bundle.servers if server and one not in check_servers(server))

    def new(self) -> dict[str, str]:
        """Return the settings that `add` would write. Changes nothing.

        Raises:
            IdentityChangedError: one is configured otherwise; names both.
            RefusedError: the administrator of this machine fixed another authority.
            UsageError: a file is malformed.
        """
        known = self._place.table.texts
        for name, value in self._texts().items():
            self._check(name, known.get(name, value), value)
        if {*known.get("log_vkeys", "").split()} not in ({*self._bundle.log.vkeys}, set()):
            self._check("log_vkeys", known["log_vkeys"], " ".join(self._bundle.log.vkeys))
        found = {name: value for name, value in self._texts().items() if name not in known}
        if ",".join(self.servers) != known.get("server", ""):
            found["server"] = ",".join(self.servers)
        for name, certificates in self._certificates.items():
            self._missing(name)
            # What is fixed for this machine needs no line, and a file of its own would be another one.
            if certificates and name not in known and name not in self._administrator.fixed:
                found[name] = str(self._own(name))
        return found

    def check_fixed(self) -> None:
        """Raise `RefusedError` if the bundle, this place or the environment replaces what the administrator fixed.

        A login and its calls follow these settings at once, and not those that the next command finds and checks.
        """
        self._administrator.guard_environment(os.environ)
        texts = {name: value for name, value in self._place.table.texts.items() if BY_NAME[name].group in _OF_AN_M8}
        texts |= {name: str(self._place.file(texts[name])) for name in self._certificates if name in texts}
        self._administrator.guard({name: Setting(value, self._place.where) for name, value in texts.items()})
        said = self._texts() | {"server": ",".join(self.servers)}
        self._administrator.guard({name: Setting(value, "the bundle") for name, value in said.items()})

    def add(self) -> None:
        """Write what is new: the files of authorities, then the settings. A second call adds what an interruption left.

        Raises:
            RefusedError: the administrator of this machine fixed another value.
            NotWritableError: a file cannot be written.
            Error: as `new`.
        """
        self.check_fixed()
        new = self.new()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in self._certificates:
            if missing := self._missing(name):
                write_private(self._own(name), pem_of((*self._known(name), *missing)).encode(), replace=True)
        if new:
            self.write(new)

    def write(self, values: Mapping[str, str]) -> None:
        """Write settings where those of this m8 stand. Raises as `write_settings`."""
        write_settings(values, context=self._place.context, config=self._place.path)

    def login(self) -> LoginSettings:
        """Return the settings of a login: those of the bundle, and what is configured besides."""
        texts = self._counting | self._texts()
        return LoginSettings(
            server=self.servers[0],
            issuer=texts["login_issuer"],
            client_id=texts["login_client_id"],
            audience=texts.get("login_audience", texts["login_client_id"]),
            scopes=texts.get("login_scopes", ""),
            hosts=texts.get("login_hosts", ""),
            ca_file=self._authority("login_ca_file") or "",
        )

    def client(self, credential: Credential, known_stores: Path) -> ClientSettings:
        """Return the settings of a client for this m8, whatever the environment says."""
        texts = self._counting | self._texts()
        return ClientSettings(
            servers=self.servers,
            credential=credential,
            ca_file=self._authority("ca_file"),
            known_stores=known_stores,
            log_witnesses=tuple(texts.get("log_witnesses", "").split()),
            log_quorum=int(texts.get("log_quorum", "0")),
        )

    def _texts(self) -> dict[str, str]:
        """Return what a bundle says as settings, without those that name files and servers."""
        login, log = self._bundle.login, self._bundle.log
        found = {
            "login_issuer": login.issuer,
            "login_client_id": login.client_id,
            "login_audience": login.audience,
            "login_scopes": login.scopes,
            "login_hosts": login.hosts,
            "log_witnesses": " ".join(log.witnesses),
            "log_quorum": str(log.quorum) if log.quorum else "",
        }
        return {name: value for name, value in found.items() if value}

    def _check(self, name: str, known: str, wanted: str) -> None:
        if known != wanted:
            raise IdentityChangedError(
                f"{name} in {self._place.where} is {known!r}, and the bundle has {wanted!r}.",
                fix="Nothing was changed. Ask your administrator, by another way than this bundle, which one is right."
                f" If it is the new one, set it with `monoctl config set {name}`.",
            )

    def _authority(self, name: str) -> str | None:
        """Return the file of authorities that counts, None for the system's."""
        if name in self._administrator.fixed:
            return self._administrator.texts.get(name)
        known = self._place.table.texts.get(name)
        if known:
            return str(self._place.file(known))
        return str(self._own(name)) if self._certificates[name] else None

    def _own(self, name: str) -> Path:
        return self.folder / ("ca.crt" if name == "ca_file" else "login-ca.crt")

    def _known(self, name: str) -> tuple[str, ...]:
        """Return the authorities in the file that counts, () if there is none."""
        path = Path(self._authority(name) or "")
        return certificates_in(path.read_text("ascii", "replace")) if path.is_file() else ()

    def _missing(self, name: str) -> tuple[str, ...]:
        """Return the authorities that are to be written. Raises as `new` if another file counts."""
        known = self._known(name)
        missing = tuple(one for one in self._certificates[name] if one not in known)
        if missing and name in self._administrator.fixed:
            raise RefusedError(
                f"the bundle gives another {name} than {self._administrator.path}, in which it is fixed.",
                fix="Nothing was changed. Ask the administrator of this machine which one is right.",
            )
        if missing and self._authority(name) != str(self._own(name)):
            self._check(name, str(self._authority(name)), " ".join(map(_shown, missing)))
        return missing


def _shown(certificate: str) -> str:
    return f"the certificate {shown_digest(hashlib.sha256(read_base64('a certificate', certificate)).digest())}"
