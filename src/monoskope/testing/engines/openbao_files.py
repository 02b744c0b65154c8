"""The files of an OpenBao server that lives in one folder: its configuration, certificate, keys and root token.

Every name in the configuration is relative to the folder, so that the folder can be moved and started again. The seal
key and the root token lie beside the data they protect: good for a demonstration and for tests, and for nothing else.
"""

from __future__ import annotations

import datetime as dt
import secrets
from pathlib import Path
from typing import Literal

from monoskope.m8.http import tls
from monoskope.settings import write_private
from monoskope.testing.parts import free_port

CONFIG = "openbao.hcl"
ADDRESS = "address"
CA = "ca.pem"
ROOT_TOKEN = "root-token"
AUDIT_LOG = "audit.log"
SERVER_LOG = "openbao.log"

_HOST = "127.0.0.1"

_TEMPLATE = """\
# A complete OpenBao server in this folder. Paths are relative to it: start OpenBao with this folder as its working
# folder. The first start initialises it; later starts unseal it with seal.key. No input is needed.
api_addr     = "https://{host}:{port}"
cluster_addr = "https://{host}:{cluster_port}"

{storage}

listener "tcp" {{
  address       = "{host}:{port}"
  tls_cert_file = "server.pem"
  tls_key_file  = "server.key"
}}

seal "static" {{
  current_key_id = "1"
  current_key    = "file://seal.key"
}}

audit "file" "log" {{
  options {{
    file_path = "{audit}"
  }}
}}

initialize "administrator" {{
  request "root-token" {{
    operation = "update"
    path      = "auth/token/create"
    data {{
      id = {{
        eval_source = "file"
        eval_type   = "string"
        path        = "{root_token}"
      }}
      policies     = ["root"]
      no_parent    = true
      display_name = "administrator"
    }}
  }}
}}
"""


Storage = Literal["pebbledb", "raft"]
"""Where a server keeps its data: in a database of its own, or in a log that a cluster shares, here of one server."""

_STORAGES: dict[Storage, str] = {
    "pebbledb": 'storage "pebbledb" {\n  path = "data"\n}',
    # The multiplier is what OpenBao advises for production; with its default an election takes five times as long.
    "raft": 'storage "raft" {\n  path                   = "data"\n  node_id                = "1"\n'
    "  performance_multiplier = 1\n}",
}


def prepare(folder: Path, *, storage: Storage = "pebbledb") -> None:
    """Lay out `folder` (mode 0700) for a first start, on a free port. Does nothing where that is done already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / CONFIG).exists():
        return
    (folder / "data").mkdir(mode=0o700)
    make_certificate(folder)
    write_private(folder / "seal.key", secrets.token_bytes(32))
    write_private(folder / ROOT_TOKEN, f"m8{secrets.token_hex(24)}".encode())
    port = free_port(with_next=True)  # OpenBao's cluster port
    (folder / ADDRESS).write_text(f"https://{_HOST}:{port}", encoding="ascii")
    text = _TEMPLATE.format(
        host=_HOST, port=port, cluster_port=port + 1, storage=_STORAGES[storage], audit=AUDIT_LOG, root_token=ROOT_TOKEN
    )
    write_private(folder / CONFIG, text.encode())


def make_certificate(folder: Path) -> None:
    """Write `ca.pem`, `server.pem` and `server.key` for 127.0.0.1 and localhost; the authority's key is thrown away."""
    made = tls.make([_HOST], now=dt.datetime.now(dt.UTC))
    (folder / CA).write_bytes(made.ca)
    (folder / "server.pem").write_bytes(made.certificate)
    write_private(folder / "server.key", made.key)
