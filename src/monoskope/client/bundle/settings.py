"""What a compared bundle adds to the settings of this machine. It replaces none and removes none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from monoskope.client.known.config_file import Chosen, ConfigFile, Table, check_context, config_path, read_config
from monoskope.client.known.sources import find, of_table
from monoskope.client.known.system import read_system
from monoskope.client.known.table import Setting
from monoskope.client.login.credential import Credential
from monoskope.client.settings import ClientSettings, load_settings
from monoskope.client.settings.writing import write_settings
from monoskope.errors import IdentityChangedError, RefusedError, UsageError
from monoskope.host_port import check_servers
from monoskope.protocol.bundle import Bundle, certificates_in, pem_of
from monoskope.protocol.identity import shown_digest
from monoskope.protocol.tlog.forms import read_base64
from monoskope.settings import write_private


def place_for(bundle: Bundle, *, context: str | None, config: Path | None) -> Chosen:
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
            return Chosen(path, file.top)
        context = found or bundle.servers[0].rpartition(":")[0].strip("[]").replace(":", "-")
    table = file.contexts.get(check_context(context), Table())
    if table.server and not _is_same(table, bundle):
        raise UsageError(
            f"the context {context!r} in {path} is for {table.server}, and the bundle for {', '.join(bundle.servers)}.",
            fix="Nothing was changed. Name another context: `monoctl join SERVER --context NAME`.",
        )
    return Chosen(path, table, context)


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

    def __init__(self, place: Chosen, bundle: Bundle) -> None:
        self._place = place
        self._bundle = bundle
        self.folder = ca_of(place.path, bundle.servers[0]).parent
        """Where the files lie that only this m8 needs."""
        self._certificates = {"ca_file": bundle.ca, "login_ca_file": bundle.login.ca}
        self._administrator = read_system()
        self._mine = of_table(place.path, place.where, place.table.texts)
        counting = self._mine | self._administrator.settings()
        self._counting = {name: setting.value for name, setting in counting.items()}
        """What is set already, here or for good for this machine."""

    @property
    def _configured(self) -> tuple[str, ...]:
        return check_servers(self._counting["server"]) if "server" in self._counting else ()

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers: those that are configured, then those that the bundle adds."""
        return tuple(dict.fromkeys((*self._configured, *self._bundle.servers)))

    @property
    def added(self) -> tuple[str, ...]:
        """The servers that the bundle adds to those of a configured m8: what is kept for that m8 would go to them."""
        return tuple(one for one in self._bundle.servers if self._configured and one not in self._configured)

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

    def found(self) -> dict[str, Setting]:
        """Return what counts for this m8 once the bundle is added: what the next command finds without an environment.

        Raises:
            Error: as `new`, and as `find`.
        """
        return find({}, chosen=self._then(), environ=_without_settings())

    def client(self, credential: Credential, known_stores: Path) -> ClientSettings:
        """Return the settings of a client for this m8 by what is `found`. Raises as `found`."""
        return load_settings(
            chosen=self._then(), credential=credential, known_stores=known_stores, environ=_without_settings()
        )

    def _then(self) -> Chosen:
        """Return the place as it is once the bundle is added."""
        table = Table(self._place.table.texts | self.new(), self._place.table.logins)
        return Chosen(self._place.path, table, self._place.context)

    def check_fixed(self) -> None:
        """Raise `RefusedError` if the bundle, this place or the environment replaces what the administrator fixed."""
        self._administrator.guard_environment(os.environ)
        self._administrator.guard(self._mine)
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
        write_settings(values, context=self._place.context or None, config=self._place.path)

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
        is_own = self._certificates[name] and name not in self._administrator.fixed
        return self._counting.get(name, str(self._own(name)) if is_own else None)

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


def _without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("MONOCTL_")}
