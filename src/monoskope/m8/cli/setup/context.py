"""One set-up: what its steps share, and how they add to `m8.toml`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tomli_w

from monoskope.m8 import settings
from monoskope.m8.cli.setup.answers import Asked
from monoskope.m8.issuers.verifying import Verified
from monoskope.settings import parse, write_private
from monoskope.systemd import copied


@dataclass(slots=True)
class Setup:
    """One run of `m8 init`.

    Attributes:
        folder: Of the server.
        asked: What is answered.
        is_guided: Whether all steps run, one after the other; else a step that is named takes the usual answers.
        listen: Where to listen, "" for the usual address.
        names: Host names, or `host:port`, by which the server is dialled besides the one that is asked for.
        keeps_ca_key: Whether the key of a CA that is made is kept.
        log_origin: What the event log is called, "" for a name by chance.
        database: The settings of `m8.toml` about the database that the command line names.
        by_browser: Whether the administrator logs in by an address that they open, not by a code.
        login: Whom the login of this run showed, None before it.
    """

    folder: Path
    asked: Asked
    is_guided: bool
    listen: str = ""
    names: tuple[str, ...] = ()
    keeps_ca_key: bool = True
    log_origin: str = ""
    database: Mapping[str, str] = field(default_factory=dict)
    by_browser: bool = False
    login: Verified | None = None

    @property
    def file(self) -> Path:
        """The server's `m8.toml`."""
        return self.folder / settings.SETTINGS_FILE

    @property
    def here(self) -> str:
        """What to add to a command of m8 for this folder."""
        return f" --dir {shlex.quote(str(self.folder))}" if self.folder != settings.default_folder() else ""

    def loaded(self) -> settings.ServerSettings:
        """Return the settings as they are now. Raises `UsageError` without a server."""
        return settings.load(self.folder)

    def with_added(self, values: Mapping[str, object], tables: str = "") -> tuple[settings.ServerSettings, bytes]:
        """Return the settings with something added, checked, and the text of that `m8.toml`; nothing is written.

        What stands there already stays byte for byte, comments too.

        Args:
            values: What stands in no table, by name; none of it may be there already.
            tables: Text of tables, which goes to the end.

        Raises:
            Error: as `settings.check`.
        """
        text = self.file.read_text(encoding="utf-8")
        content = f"{tomli_w.dumps(values)}{text}{tables and chr(10)}{tables}".encode()
        return settings.check(parse(content, settings.File, path=self.file), self.file), content

    def authority(self, field: str, file: str) -> str:
        """Return a file of authorities, "" for none, as the service sees it: a copy if it lies in a home or /tmp.

        Args:
            field: Of the answers, where the copy takes its place.
            file: What was answered.
        """
        if not file:
            return ""
        seen = copied(Path(file), self.folder, f"{field.replace('_', '-')}.pem", self.asked.say)
        if seen != Path(file):
            self.asked.note(field, str(seen))
        return str(seen)

    def add(self, values: Mapping[str, object], tables: str = "") -> settings.ServerSettings:
        """Add to `m8.toml` as `with_added` has it, and return the settings."""
        found, content = self.with_added(values, tables)
        write_private(self.file, content, replace=True)
        return found
