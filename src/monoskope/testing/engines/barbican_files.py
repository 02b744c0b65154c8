"""The files of a Barbican server that lives in one folder: its configuration, certificate, database and key.

Paths are absolute, for a server of a test's life. Nobody logs in: whoever names a project in `X-Project-Id` may do
everything in it, which is what the driver's `none` is for. Good for tests and for nothing else.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from monoskope.settings import write_private
from monoskope.testing.engines.openbao_files import make_certificate

CONFIG = "barbican.conf"
PASTE = "paste.ini"
APP = "app_for_tests.py"
SERVER_LOG = "barbican.log"
PORT = "port"
READ_ONLY = "read-only-"
"""In a project whose id begins so everybody has the role `reader`, else `member`."""

_CONF = """\
[DEFAULT]
sql_connection = sqlite:///{folder}/barbican.sqlite
db_auto_create = true
log_file = {folder}/oslo.log

[database]
connection = sqlite:///{folder}/barbican.sqlite

[secretstore]
enabled_secretstore_plugins = store_crypto

[crypto]
enabled_crypto_plugins = simple_crypto

[simple_crypto_plugin]
kek = {kek}
"""

_PASTE = """\
[composite:main]
use = egg:Paste#urlmap
/: barbican_version
/v1: barbican_api

[pipeline:barbican_version]
pipeline = versionapp

[pipeline:barbican_api]
pipeline = unauthenticated-context microversion apiapp

[app:apiapp]
paste.app_factory = barbican.api.app:create_main_app

[app:versionapp]
paste.app_factory = barbican.api.app:create_version_app

[filter:unauthenticated-context]
paste.filter_factory = barbican.api.middleware.context:UnauthenticatedContextMiddleware.factory

[filter:microversion]
paste.filter_factory = barbican.api.middleware.microversion:MicroversionMiddleware.factory
"""

_APP = """\
import sys
import threading

# `jsonschema` would load this one to check formats that are not asked for: a compiler of grammars, which takes seconds.
sys.modules["rfc3987_syntax"] = None

from barbican.common import config
from sqlalchemy import Engine, event


@event.listens_for(Engine, "connect")
def _never_wait_for_the_disk(connection, _):
    connection.execute("PRAGMA synchronous = OFF")


config.parse_args(config.CONF, args=["--config-file", "{folder}/barbican.conf"])

from paste import deploy

_barbican = deploy.loadapp("config:{folder}/paste.ini", name="main")
_one_at_a_time = threading.Lock()


def application(environ, start_response):
    # Without a login nothing before it gives a request the id that Barbican's context asks for.
    environ.setdefault("webob.adhoc_attrs", {{}})["request_id"] = "req-test"
    read_only = environ.get("HTTP_X_PROJECT_ID", "").startswith("{read_only}")
    environ["HTTP_X_ROLES"] = "reader" if read_only else "member"
    # SQLite refuses a second writer at once, which the databases of real servers do not.
    with _one_at_a_time:
        return _barbican(environ, start_response)
"""


def prepare(folder: Path, port: int) -> None:
    """Lay out `folder` (mode 0700) for a server on `port`. Does nothing where that is done already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / CONFIG).exists():
        return
    make_certificate(folder)
    kek = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii")
    (folder / PASTE).write_text(_PASTE, encoding="ascii")
    (folder / APP).write_text(_APP.format(folder=folder, read_only=READ_ONLY), encoding="utf-8")
    (folder / PORT).write_text(str(port), encoding="ascii")
    write_private(folder / CONFIG, _CONF.format(folder=folder, kek=kek).encode())
