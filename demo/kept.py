"""What a kept demo folder says about itself."""

from __future__ import annotations

import shlex
import sys

from monoskope.testing.cluster import MOUNT, PREFIX, Cluster
from monoskope.testing.engines.openbao import binary
from monoskope.testing.parts import program

_TEXT = """\
Everything that one run of the Monoskope demo left behind. Nothing of it runs now.

  m8/             the control plane: its event log (log.db), settings, certificate, token key, log file
  reactor-vault/  the reactor of the store `vault`: settings, identity, fingerprint key, log files
  reactor-local/  the reactor of the store `local`; the age files themselves are in reactor-local/secrets
  openbao/        the OpenBao server with its storage, certificates, log files, seal key and root token
  administrator/, anna/, ben/, carla/, rev/
                  the home folders of the people, some with settings, token, known stores and known logs; the
                  keys of anna and ben, and her proof (put.tlog-proof)
  m8-rewritten/   a copy of m8/ whose log was rewritten: what anna's command refused in the end
{witnesses}
Private keys, tokens and a root token lie in here. Delete the folder when you are done.


Read the secret from that OpenBao again
---------------------------------------
Start it, and leave it running:

  {serve}

In another terminal:

  export BAO_ADDR={address}
  export BAO_CACERT={ca_file}
  export BAO_TOKEN=$(cat {root_token})
  {read}


Start the rest again
--------------------
Each in a terminal of its own, with OpenBao running:

  cd {folder}
  {m8} serve --dir m8
  {m8} reactor run reactor-vault
  {m8} reactor run reactor-local

Then, in that folder:

  HOME={folder}/anna {monoctl} get secrets
  {m8} events --dir m8
  HOME={folder}/anna {monoctl} verify proof anna/put.tlog-proof
"""

_WITNESSES = "  witnesses/      the certificate of the two witnesses; they themselves kept nothing\n"


def readme(cluster: Cluster, path: str, key: str, *, is_text: bool) -> str:
    """Return the text for README.txt, with commands that work as they stand.

    Args:
        cluster: Whose folder it is.
        path: The path of the secret in the store `vault`.
        key: The key of its value.
        is_text: Whether OpenBao holds the value as it is, and not in base64.
    """
    bao = cluster.bao
    witnesses = _WITNESSES if (cluster.folder / "witnesses").exists() else ""
    serve = [sys.executable, "-m", "monoskope.testing.engines.openbao", "serve", str(bao.folder)]
    read = [binary(), "kv", "get", f"-mount={MOUNT}", f"-field={key}", f"{PREFIX}/{path}"]
    return _TEXT.format(
        witnesses=witnesses,
        serve=shlex.join(serve),
        read=shlex.join(read) + ("" if is_text else " | base64 -d > value"),
        address=bao.address,
        ca_file=shlex.quote(str(bao.ca_file)),
        root_token=shlex.quote(str(bao.folder / "root-token")),
        folder=shlex.quote(str(cluster.folder)),
        m8=shlex.quote(program("m8")),
        monoctl=shlex.quote(program("monoctl")),
    )
