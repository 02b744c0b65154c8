"""The command line: verb before noun. A command's module is loaded when the command is called.

`monoctl help` and `monoctl version` stand here: they need nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

import click

from monoskope.exit_codes import ExitCode
from monoskope.monoctl.groups import LazyGroup, RootGroup, command
from monoskope.monoctl.output import terminal

_HERE = "monoskope.monoctl.commands"


def _verb(help_text: str, nouns: dict[str, str], meant: dict[str, str] | None = None) -> LazyGroup:
    """Return a verb with its nouns, each with its module and attribute."""
    return LazyGroup(help=help_text, lazy={noun: f"{_HERE}.{home}" for noun, home in nouns.items()}, meant=meant)


_MEANT = (
    dict.fromkeys(("list", "ls", "show", "view", "search"), "get secrets")
    | dict.fromkeys(("read", "reveal", "cat", "inspect"), "get secret URI")
    | dict.fromkeys(("set", "write", "store", "upload", "add", "new"), "put secret URI")
    | dict.fromkeys(("edit", "update"), "patch secret URI")
    | dict.fromkeys(("rm", "remove", "destroy"), "delete secret URI")
    | dict.fromkeys(("restore", "recover"), "undelete secret URI")
    | {
        "check": "verify secret URI",
        "cp": "copy secret",
        "diff": "compare secret URI",
        "history": "get secret URI --versions",
        "stores": "get secret-stores",
        "tag": "label secret URI",
        "ui": "console",
    }
)
"""What people type who know other programs, and the command that does it here."""


_VERBS = {
    "put": _verb("Put secrets into stores.", {"secret": "put:put_secret"}),
    "patch": _verb("Change some keys of secrets.", {"secret": "put:patch_secret"}),
    "compare": _verb("Compare values with what stores hold.", {"secret": "put:compare_secret"}),
    "delete": _verb(
        "Delete secrets from stores, and role bindings.",
        {"secret": "change:delete_secret", "role-binding": "role_bindings:delete"},
    ),
    "undelete": _verb("Bring back deleted secrets.", {"secret": "change:undelete_secret"}),
    "rollback": _verb("Bring back earlier versions of secrets.", {"secret": "change:rollback_secret"}),
    "copy": _verb("Copy secrets from place to place.", {"secret": "engines:copy_secret"}),
    "generate": _verb("Have stores make secrets that nobody sees.", {"secret": "engines:generate_secret"}),
    "rotate": _verb("Rotate passwords that nobody sees.", {"secret": "rotate:rotate_secret"}),
    "run": _verb("Execute changes that were approved.", {"change": "approvals:run_change"}),
    "import": _verb("Adopt secrets that others put into an engine.", {"secret": "engines:import_secret"}),
    "label": _verb("Edit labels of secrets, without a value.", {"secret": "change:label_secret"}),
    "expire": _verb("Note when secrets expire, without a value.", {"secret": "change:expire_secret"}),
    "verify": _verb(
        "Check what stores hold, proofs of uploads, and the log.",
        {"secret": "engines:verify_secret", "proof": "log:verify_proof", "log": "log:verify_log"},
    ),
    "get": _verb(
        "Show what m8 knows.",
        {
            "secrets": "get:secrets",
            "secret": "get:secret",
            "secret-stores": "stores:secret_stores",
            "store-types": "stores:store_types",
            "events": "events:events",
            "upload": "get:upload",
            "changes": "approvals:changes",
            "log": "log:log",
            "role-bindings": "role_bindings:list_",
            "tokens": "access:tokens",
        },
        {
            "versions": "get secret URI --versions",
            "history": "get secret URI --versions",
            "value": "get secret URI",
            "uploads": "get events",
            "requests": "get events",
            "approvals": "get changes",
            "stores": "get secret-stores",
        },
    ),
    "describe": _verb(
        "Show everything about one thing.",
        {"secret-store": "stores:secret_store", "change": "approvals:describe_change"},
        {"secret": "get secret URI --versions", "secrets": "get secrets", "store": "describe secret-store NAME"},
    ),
    "create": _verb(
        "Add stores, role bindings and tokens (administrators).",
        {"secret-store": "stores:create", "role-binding": "role_bindings:create", "token": "access:create_token"},
    ),
    "revoke": _verb("Make tokens invalid.", {"token": "access:revoke_token"}),
    "auth": _verb(
        "Say who may do what.",
        {"can-i": "access:can_i", "who-can": "access:who_can"},
        {"whoami": "whoami"},
    ),
    "activate": _verb("Activate a store (administrators).", {"secret-store": "stores:activate"}),
    "deactivate": _verb("Deactivate a store (administrators).", {"secret-store": "stores:deactivate"}),
    "set-default": _verb("Choose the default store (administrators).", {"secret-store": "stores:set_default"}),
    "replace": _verb("Replace a store's identity (administrators).", {"secret-store-identity": "stores:replace"}),
    "start": _verb("Begin a rotation (administrators).", {"fingerprint-key-rotation": "stores:start_rotation"}),
    "finish": _verb("Finish a rotation (administrators).", {"fingerprint-key-rotation": "stores:finish_rotation"}),
    "config": _verb(
        "Show and change the settings of this client.",
        {
            "view": "config:view",
            "set": "config:set_",
            "unset": "config:unset",
            "use": "config:use",
            "contexts": "config:contexts",
            "path": "config:path",
            "bundle": "bundle:bundle",
        },
    ),
}

_COMMANDS = {
    "accept-log": ("pins:accept_log", "Accept a log that was renewed in the place of the one that is pinned."),
    "approve": ("approvals:approve", "Approve a change that somebody else proposed."),
    "apply": ("role_bindings:apply", "Make the role bindings those of a file (administrators)."),
    "completion": ("config:completion", "Print a completion script for your shell."),
    "console": ("console:console", "Open a page in your browser that does what the commands do."),
    "decline": ("approvals:decline", "Decline a change that somebody else proposed."),
    "forget-log": ("pins:forget_log", "Forget the log that is pinned for a server."),
    "forget-store": ("pins:forget_store", "Forget the identity that you agreed to for a store."),
    "join": ("join:join", "Get to know an m8 and its stores, by one comparison, and log in."),
    "list-upstream": ("engines:list_upstream", "List what is in an engine, to find what can be imported."),
    "login": ("login:login", "Log in with the identity that you have."),
    "logout": ("login:logout", "Forget your login."),
    "offboard": ("leaving:offboard", "List what came from a member who leaves, and end it (administrators)."),
    "status": ("status:status", "Check how you reach m8, your login, pins, log, stores and key."),
    "withdraw": ("approvals:withdraw", "Withdraw a change of yours."),
    "whoami": ("access:whoami", "Show who you are to m8, and what you may do."),
}
"""Commands without a noun: where each is, and what it says of itself."""

_HELP = """Put secrets into the stores you have, through a control plane that cannot read them.

A secret is named `store://path`, or `path` alone in the default store. Values come from files, stdin or a hidden
prompt, never from the command line. Exit codes: 0 ok, 1 defect, 2 usage, 3 refused, 4 not found, 5 identity changed,
6 conflict, 7 unavailable, 8 timed out, 9 outcome unknown, 10 unauthenticated, 11 already exists, 12 different, not
in sync, or “no”, 13 unreadable answer, 14 rate limited, 16 some of several secrets changed and some not, 17 not
authorized by the store's own list, 18 m8's log does not fit the pinned one, 19 not in a checkpoint yet, 20 you have
not agreed to the store yet, 21 a check failed, 130 interrupted.
"""


@command("help", short_help="Show the help of a command.")
@click.argument("words", nargs=-1, metavar="[VERB [NOUN]]")
@click.pass_context
def show_help(context: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of a command, as `--help` after it does: `monoctl help put secret`."""
    here = context.find_root()
    for word in words:
        group = here.command
        if not isinstance(group, click.Group):
            raise click.UsageError(f"`{here.command_path}` has no command {word!r}.", here)
        # This refuses an unknown word, and suggests one.
        name, found, _ = group.resolve_command(here, [word])
        assert found is not None
        here = found.context_class(found, info_name=name, parent=here, **found.context_settings)
    terminal.out(*here.get_help().split("\n"))


@command(short_help="Show the version of monoctl.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def version(output: str) -> None:
    """Show the version of monoctl, without a connection to m8."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - seldom asked for

    from monoskope.monoctl.output.formats import emit  # noqa: PLC0415 - as above

    number = installed("monoskope")
    if output == "table":
        terminal.out(f"monoctl {number}")
    else:
        emit(output, {"monoctl": number}, {})


def _show_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's
    if wanted and not context.resilient_parsing:
        context.invoke(version)
        context.exit()


@click.group(
    cls=RootGroup,
    lazy={name: f"{_HERE}.{home}" for name, (home, _) in _COMMANDS.items()},
    summaries={name: summary for name, (_, summary) in _COMMANDS.items()},
    meant=_MEANT,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
def cli() -> None:
    """The root; its text is `_HELP`."""


for _name, _group in _VERBS.items():
    cli.add_command(_group, _name)
cli.add_command(show_help)
cli.add_command(version)


def main() -> NoReturn:
    """Run `monoctl` and end the process with its exit code."""
    stop = _traced()
    try:
        cli()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    stop()
    _leave(code)


def _traced() -> Callable[[], None]:
    """Record spans if the environment asks for it; return what exports them at the end. Else this imports nothing."""
    if not any(name.startswith("OTEL_") for name in os.environ):
        return lambda: None
    from monoskope.traces import export  # noqa: PLC0415 - seldom asked for

    traces = export.start("monoctl", os.environ)
    # The endpoint alone may be set for all programs of a machine: then a missing export is no news.
    if traces.warning and os.environ.get("OTEL_TRACES_EXPORTER"):
        terminal.warn(traces.warning)
    return traces.stop


def _leave(code: int) -> NoReturn:
    """End the process at once: everything is printed and closed, and the interpreter's own shutdown takes long."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or ExitCode.INTERNAL
    os._exit(code)


if __name__ == "__main__":
    main()
