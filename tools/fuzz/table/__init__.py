"""The table of everything that reads bytes of others."""

from __future__ import annotations

from tools.fuzz.reader import Reader
from tools.fuzz.table import client, http, m8, protocol, reactor, stores, witnessed_log

_TABLES = (protocol, http, client, m8, reactor, stores, witnessed_log)

READERS: dict[str, Reader] = {reader.name: reader for table in _TABLES for reader in table.READERS}
"""Each reader by its name."""
