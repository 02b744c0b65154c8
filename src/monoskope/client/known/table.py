"""The table of monoctl's settings: what each is called, what it means, and for which servers it counts.

A new setting is one row. Its argument, its variable `MONOCTL_…`, its place in settings files, `monoctl config set` and
docs/settings.md follow from the row.
"""

from __future__ import annotations

from enum import Enum, auto
from types import MappingProxyType

from monoskope.value import Value


class Kind(Enum):
    """What the text of a setting is, which decides how it is checked before it is written."""

    TEXT = auto()
    """Any text."""
    WORDS = auto()
    """Several texts with spaces between them."""
    SERVERS = auto()
    """`host:port`, or several with commas."""
    FILE = auto()
    """A file. A relative path starts at the folder of the settings file."""
    KEY = auto()
    """A file, or a public key itself."""
    ISSUER = auto()
    """An `https://` URL."""
    SECONDS = auto()
    """A number of seconds."""
    LOG = auto()
    """What is demanded of a log (`known.demand`)."""


class Bound(Enum):
    """For which servers a setting of a file counts. What is given as an argument or a variable counts for all."""

    NOT = auto()
    """For every server. Contexts share it: one that does not set it has that of the top of the file."""
    WHERE_NAMED = auto()
    """For the `server` of its table alone; for every server if the table names none."""
    TO_ONE = auto()
    """For the `server` of its table alone; for none if the table names none: no other m8 gets a credential."""


class Key(Value, frozen=True, kw_only=True):
    """One setting."""

    name: str
    meaning: str
    """A sentence in Markdown, as a page in docs/ shows it."""
    kind: Kind = Kind.TEXT
    bound: Bound = Bound.WHERE_NAMED
    group: str = ""
    """Settings of one group are fixed together, because one of them could undo another."""
    file_form: str = ""
    """The setting that names a file with the same: this one is its text, and is written to no file."""
    in_files: bool = True
    """Whether settings files hold it."""


KEYS = (
    Key(
        name="server",
        meaning="The `host:port` of m8, or several of one log with commas, which are tried in this order.",
        kind=Kind.SERVERS,
        group="server",
    ),
    Key(
        name="ca_file",
        meaning="PEM file of the authority that signs the server's certificate. By default the system's count.",
        kind=Kind.FILE,
        group="ca",
    ),
    Key(name="ca", meaning="The same authority as PEM text.", group="ca", file_form="ca_file", in_files=False),
    Key(
        name="token",
        meaning="Your token, as text.",
        bound=Bound.TO_ONE,
        group="token",
        file_form="token_file",
        in_files=False,
    ),
    Key(
        name="token_file",
        meaning="File with your token, which others cannot reach. Without one your [login](login.md) counts.",
        kind=Kind.FILE,
        bound=Bound.TO_ONE,
        group="token",
    ),
    Key(
        name="known_stores",
        meaning="The file with the identities of stores that you trust, mode 0600. By default it lies beside your"
        " settings file.",
        kind=Kind.FILE,
        in_files=False,
    ),
    Key(
        name="signing_key",
        meaning="Signs your requests: a private key, or a public key or certificate whose other half an ssh-agent"
        " holds. A file, or a public key itself: `key::ssh-ed25519 AAAA…` ([signed requests](signed-requests.md)).",
        kind=Kind.KEY,
        group="signing_key",
    ),
    Key(
        name="requester",
        meaning="How the stores' lists call you who propose changes, if your key has no certificate"
        " ([approvals](approvals.md)).",
        group="requester",
    ),
    Key(
        name="retry_for",
        meaning="For how many seconds what is away and comes back by itself is [waited for](waiting.md), such as"
        ' `"60"`. By default 30; `"0"` for not at all.',
        kind=Kind.SECONDS,
        bound=Bound.NOT,
        group="retry_for",
    ),
    Key(
        name="log_vkeys",
        meaning="The two verifier keys of the server's log, with a space between them, as `m8 log key` prints them"
        " ([the witnessed log](witnessed-log.md)).",
        kind=Kind.LOG,
        group="log",
    ),
    Key(
        name="log_witnesses",
        meaning="The verifier keys of the witnesses that you trust, with spaces between them.",
        kind=Kind.LOG,
        group="log",
    ),
    Key(
        name="log_quorum",
        meaning='How many of them must have cosigned what m8 shows of its log, such as `"2"`.',
        kind=Kind.LOG,
        group="log",
    ),
    Key(
        name="login_issuer",
        meaning="The OpenID Connect provider at which `monoctl login` [logs in](login.md): an `https://` URL.",
        kind=Kind.ISSUER,
        bound=Bound.TO_ONE,
        group="login",
    ),
    Key(
        name="login_client_id",
        meaning="What that provider calls monoctl: a public client without a secret.",
        bound=Bound.TO_ONE,
        group="login",
    ),
    Key(
        name="login_audience",
        meaning="What tokens for this m8 name as their audience. By default the client id, and in build jobs the name"
        " of the server.",
        bound=Bound.TO_ONE,
        group="login",
    ),
    Key(
        name="login_scopes",
        meaning="Scopes to ask for besides `openid` and `offline_access`, with spaces between them: `groups` if m8's"
        " rules name groups, `profile` and `email` for your [name and address](access.md#names).",
        kind=Kind.WORDS,
        bound=Bound.TO_ONE,
        group="login",
    ),
    Key(
        name="login_hosts",
        meaning="Hosts besides the issuer's own at which it may have endpoints, with spaces between them. Any other"
        " host is refused.",
        kind=Kind.WORDS,
        bound=Bound.TO_ONE,
        group="login",
    ),
    Key(
        name="login_ca_file",
        meaning="PEM file of the authority that signs the issuer's certificate. By default the system's count.",
        kind=Kind.FILE,
        bound=Bound.TO_ONE,
        group="login",
    ),
)

BY_NAME = MappingProxyType({key.name: key for key in KEYS})

FIELDS = tuple(BY_NAME)
"""What can be given as an argument, or as `MONOCTL_…` in the environment."""
IN_FILES = tuple(key.name for key in KEYS if key.in_files)
"""What settings files hold."""


def group(name: str) -> tuple[str, ...]:
    """Return the settings of a group."""
    return tuple(key.name for key in KEYS if key.group == name)


TOKEN_FIELDS = group("token")
"""The caller's own token."""
LOGIN_FIELDS = group("login")
"""What `monoctl login` needs, and build jobs."""
LOG_FIELDS = group("log")
"""What is demanded of the log of an m8. Each m8 has its own log."""
TEXTS = MappingProxyType({key.name: key.file_form for key in KEYS if key.file_form})
"""What can be given as text, and the file that it stands for."""

ID_TOKEN_VARIABLE = "MONOCTL_ID_TOKEN"  # noqa: S105 - a name

MORE = MappingProxyType(
    {
        "config": "The settings file, in the place of `~/.config/monoskope/config.toml`.",
        "context": "The [context](settings.md#contexts) that counts.",
        "store_identity": "Identities that you agree to in advance, each as STORE=SHA256:…, with spaces between them.",
        "default_store": "The default store that you agree to in advance.",
        "id_token": "A JWT of a build job for this m8, as GitLab's `id_tokens` hands it over; m8 exchanges it.",
    }
)
"""What the environment gives besides, and what it means."""

VARIABLES = frozenset({f"MONOCTL_{name.upper()}" for name in (*FIELDS, *MORE)})
"""Every environment variable that the client reads."""


class Setting(Value, frozen=True):
    """One effective setting and where it comes from."""

    value: str
    """A token or a certificate that is given as text is not shown."""
    source: str
    fixed: bool = False
    """Whether the administrator of this machine says that no other source replaces it."""


def is_public_key(value: str) -> bool:
    """Whether a signing key is a public key itself, and no file's name: `key::TYPE BASE64`, or a type and more."""
    return value.startswith("key::") or (value.startswith(("ssh-", "ecdsa-", "sk-")) and " " in value.strip())
