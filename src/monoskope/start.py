"""What each of our programs does first, before it imports the rest of itself, and how m8 starts the reactor's program.

This module imports nothing that takes time. What happens before it is the interpreter's own start.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

KEY_LOG = "SSLKEYLOGFILE"
"""The variable that makes Python's TLS write the keys of its connections to a file, by which the rest can be read."""

DROPPED = "MONOSKOPE_KEY_LOG_DROPPED"
"""Set for the processes that this one becomes or starts, so that the one with a log can say that `KEY_LOG` was set."""

EXECUTED = "MONOSKOPE_EXECUTED"
"""Set in a process that was executed under `execution_environment`."""

EXECUTION = (EXECUTED, "PYTHONMALLOC", "GLIBC_TUNABLES")
"""The variables of `execution_environment`."""

INTERRUPTED = 130
"""`ExitCode.INTERRUPTED`, which takes time to import."""

REACTOR = "monoskope.reactor"
"""The reactor's program, of which m8 imports nothing."""

STORES_CHECK = "monoskope.testing.store_check.check"
"""The program of `m8 stores check`, of which neither m8 nor the reactor imports anything."""

_PR_SET_DUMPABLE = 4


def begin() -> None:
    """Let Ctrl-C end this process without a word, drop `SSLKEYLOGFILE`, and allow no core files, now and later.

    Standard streams that are closed, as a scheduler may leave them, become the empty device.
    """
    _end_quietly_when_interrupted()
    _open_closed_streams()
    _mask_interrupts(block=False)
    if os.environ.pop(KEY_LOG, ""):
        os.environ[DROPPED] = "1"
    forbid_core_files()


def loaded() -> None:
    """Let Ctrl-C be `KeyboardInterrupt` again: the program is loaded, and says itself what was interrupted."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


COLLECT_AFTER = 10_000
"""New objects until a server looks for garbage among them. Python's 700 are there in the midst of a few requests."""


def spare_what_is_here() -> None:
    """Exempt what exists now, such as modules, from collections of garbage, and let those be rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def warning() -> str:
    """Return the sentence for the log if `SSLKEYLOGFILE` was set, "" if it was not."""
    if DROPPED not in os.environ:
        return ""
    return f"{KEY_LOG} IS IGNORED: with the keys in that file all TLS traffic of this process could be read."


def forbid_core_files() -> None:
    """Set the limit of core files to 0, the hard one too, so that nothing this process starts can raise it."""
    try:
        import resource  # noqa: PLC0415
    except ImportError:  # not everywhere
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def close_memory() -> None:
    """Allow no core files, and on Linux no debuggers and no reading of this process's memory by its own user.

    Raises:
        RefusedError: the kernel does not let this process do so.
    """
    forbid_core_files()
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415 - few programs need it

    from monoskope.errors import RefusedError  # noqa: PLC0415 - as above

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise RefusedError("the kernel does not let this process hide its memory.", fix="Allow prctl(PR_SET_DUMPABLE).")


def execution_environment(environment: dict[str, str]) -> dict[str, str] | None:
    """Return the environment to execute ourselves under, None if this already is that execution.

    `PYTHONMALLOC=malloc` hands small objects to the C library, which with `perturb` overwrites what is freed, and with
    `tcache_count=0` does so at once. Why: docs/adr/0004-reactor-memory.md.
    """
    if environment.get(EXECUTED):
        return None
    perturb = os.urandom(1)[0] % 255 + 1
    return {
        **environment,
        EXECUTED: "1",
        "PYTHONMALLOC": "malloc",
        "GLIBC_TUNABLES": f"glibc.malloc.perturb={perturb}:glibc.malloc.tcache_count=0",
    }


def execute_again() -> None:
    """Execute this process again under those settings, once; returns if that has happened or cannot."""
    now = dict(os.environ)
    environment = overwriting(now)
    if environment is not now:
        execute([sys.executable, *sys.orig_argv[1:]], environment)


def overwriting(environment: dict[str, str]) -> dict[str, str]:
    """Return the environment in which one of our programs need not execute itself again: this one where it cannot."""
    if not sys.platform.startswith("linux"):
        return environment
    return execution_environment(environment) or environment


def execute(arguments: list[str], environment: dict[str, str]) -> None:
    """Become another of our programs. Never returns; Ctrl-C waits until its `begin`, so that it is quiet, too."""
    _mask_interrupts(block=True)
    os.execve(arguments[0], arguments, environment)  # noqa: S606  no shell is wanted


def _open_closed_streams() -> None:
    """Else a file that is opened next would take the number of a stream, and Python has no object to write to."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            os.set_inheritable(number, True)  # noqa: FBT003  it has no name
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  while we run


def _mask_interrupts(*, block: bool) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not everywhere
        signal.pthread_sigmask(signal.SIG_BLOCK if block else signal.SIG_UNBLOCK, [signal.SIGINT])


def reactor_command(*arguments: str) -> list[str]:
    """Return how to start the reactor's program. `-P`: nothing is imported from the current folder."""
    return [sys.executable, "-P", "-m", REACTOR, *arguments]


def stores_check_command(*arguments: str) -> list[str]:
    """Return how to start the program of `m8 stores check`."""
    return [sys.executable, "-P", "-m", STORES_CHECK, *arguments]


def become_reactor(*arguments: str) -> None:
    """Replace this process with the reactor's program, under the settings with which that starts. Never returns."""
    execute(reactor_command(*arguments), overwriting(dict(os.environ)))


def _end_quietly_when_interrupted() -> None:
    # Not where SIGINT is ignored: who started us in the background wants that.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)


def _leave(_number: int, _frame: object) -> None:
    """End at once: nothing was begun. An exception could be swallowed or printed by whatever is being imported."""
    os._exit(INTERRUPTED)
