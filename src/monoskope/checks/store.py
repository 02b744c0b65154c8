"""Whether a store is served, as an operator and a user see it: both commands say it in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monoskope.checks.check import Check
from monoskope.errors import docs_page
from monoskope.text import counted

_ENGINE_FIX = f"The reactor's log says why, and {docs_page('operate/reactor-cannot-work.md')} what to do."
_LIST_FIX = f"Correct the list on the reactor's machine: {docs_page('operate/signers.md')}"


@dataclass(frozen=True, slots=True)
class StoreSeen:
    """What is known of a store.

    Attributes:
        name: Its name.
        active: Whether it takes requests.
        engines: Of each attached reactor how it found its engine last: "ok", "unavailable", "refused" or "unknown".
        attached_ever: Whether a reactor of it was ever attached.
        lists_fail: Whether a list of signers of an attached reactor cannot be used as it is now.
    """

    name: str
    active: bool
    engines: Sequence[str]
    attached_ever: bool
    lists_fail: bool

    @property
    def check_name(self) -> str:
        """What its check is called."""
        return f"store {self.name}"


def store_check(seen: StoreSeen) -> Check:
    """Return the check of a store: served, with an engine that works, and active."""
    if not seen.engines:
        return _unserved(seen)
    name, there = seen.check_name, f"{counted(len(seen.engines), 'reactor')} attached"
    bad = [engine for engine in seen.engines if engine not in {"ok", "unknown"}]
    if seen.lists_fail:
        return Check.fail(name, f"{there}; a list of signers there cannot be used, so all it is for fails.", _LIST_FIX)
    if bad:
        said = f"{there}; {len(bad)} cannot use the engine: {', '.join(sorted(set(bad)))}."
        kind = Check.fail if len(bad) == len(seen.engines) else Check.warn
        return kind(name, said, _ENGINE_FIX)
    if not seen.active:
        return Check.warn(name, f"{there}. It is not active.", f"monoctl activate secret-store {seen.name}")
    well = "the engine works" if "ok" in seen.engines else "the engine has not been looked at yet"
    return Check.ok(name, f"{there}; {well}.")


def _unserved(seen: StoreSeen) -> Check:
    said = "No reactor is attached." if seen.attached_ever else "No reactor of it was ever attached."
    start = "Start its reactor beside the engine: its service, or `m8 reactor run FOLDER`"
    if seen.active:
        fail = "Requests to it wait, and fail." if seen.attached_ever else "Requests to it fail at once."
        return Check.fail(seen.check_name, f"{said} {fail}", f"{start}.")
    activate = f"monoctl activate secret-store {seen.name}"
    return Check.warn(seen.check_name, f"{said} It is not active.", f"{start} ; then: {activate}")
