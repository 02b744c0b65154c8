"""What must hold whatever broke: each function returns what is wrong, in sentences, and nothing of what is well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.rig.facts import Facts, Told
from tests.rig.history import DEFECTS, KILLED, NOTHING_WRITTEN, OK, UNKNOWN, Operation
from tests.support.engines import Version

CHANGES = {"put", "patch", "copy"}
"""What makes a version."""

_SETS_ASIDE_ALL = "local://"
"""Where a deletion takes every version that is kept, and not the newest alone."""


_DELETED_PERHAPS = frozenset({"OUTCOME_UNKNOWN", "CONFLICT", "UPSTREAM_CHANGED"})
"""Why a deletion failed that may have deleted the version it announced."""


def check(facts: Facts) -> list[str]:
    checks = (
        acknowledged_is_there,
        success_has_a_receipt,
        expectations_held,
        receipts_are_true,
        versions_are_explained,
        deletions_are_explained,
        refused_is_not_there,
        ends_are_true,
        written_once,
        compared_truly,
        one_after_the_other,
        ended_in_time,
        nothing_is_a_defect,
    )
    return [found for each in checks for found in each(facts)]


def acknowledged_is_there(facts: Facts) -> Iterator[str]:
    """Nothing acknowledged is lost: what the user was told to be there is there, in the version that was named."""
    for one in facts.operations:
        if one.end != OK or one.verb == "compare":
            continue
        found = _version(facts.histories.get(one.place, ()), one.version)
        if one.verb == "delete":
            if found is not None and found.content is not None:
                yield f"deleted and still there: {one}"
        elif found is None:
            yield f"acknowledged and lost: {one}"
        elif found.content is not None and not _holds(one, found, facts):
            yield f"acknowledged with another content: {one}"


def _holds(one: Operation, found: Version, facts: Facts) -> bool:
    content = found.content or {}
    if one.verb == "put":
        return content == {"password": one.value}
    if one.verb == "patch":
        return content.get("user") == one.value
    source = _version(facts.histories.get(one.uri, ()), one.source_version)
    return source is None or source.content in (None, content)


def success_has_a_receipt(facts: Facts) -> Iterator[str]:
    """No success is false: the log has a receipt that says the same of one of its requests."""
    for one in facts.operations:
        if one.end != OK:
            continue
        told = [facts.requests[each] for each in one.request_ids if each in facts.requests]
        if not any(_says(each) == _was_told(one) for each in told):
            yield f"a success without a receipt that says so: {one}"


def _says(told: Told) -> tuple[str, str]:
    """What a receipt proves, and of which version: a deletion names the one that was there before."""
    outcome = "UPLOADED" if told.outcome == "UNCHANGED" else told.outcome
    return outcome, told.prior if outcome == "DELETED" else told.version


def _was_told(one: Operation) -> tuple[str, str]:
    match one.verb:
        case "copy":
            return "COPIED", one.source_version
        case "delete":
            return "DELETED", one.version
        case "compare":
            return "EQUAL" if one.equal else "DIFFERENT", one.version
        case _:
            return "UPLOADED", one.version


def expectations_held(facts: Facts) -> Iterator[str]:
    """What was written for a user who named a version comes right after it, and after nothing for one who said so."""
    for one in facts.operations:
        history = facts.histories.get(one.place, ())
        if one.end != OK or one.verb not in CHANGES or one.expect in {"any", "overwrite", one.version}:
            continue
        at = next((at for at, version in enumerate(history) if version.text == one.version), 0)
        before = history[at - 1] if at else None
        if one.expect == "absent":
            held = before is None or before.content is None
        else:
            held = before is not None and before.text == one.expect
        if not held:
            yield f"written over {before.text if before else 'nothing'}, which was not expected ({one.expect}): {one}"


def receipts_are_true(facts: Facts) -> Iterator[str]:
    """A receipt of a write names a version that is upstream, once, with that hash, after the version that it names."""
    written = [told for told in facts.requests.values() if told.outcome == "UPLOADED" and told.uri in facts.histories]
    for (uri, version), count in Counter((told.uri, told.version) for told in written).items():
        if count > 1:
            yield f"{count} receipts name the version {version} of {uri}"
    for told in written:
        history = facts.histories[told.uri]
        places = [at for at, version in enumerate(history) if version.text == told.version]
        if len(places) != 1:
            yield f"a receipt names {told.version} of {told.uri}, which is there {len(places)} times"
            continue
        yield from _receipt_is_true(facts, told, history, places[0])


def _receipt_is_true(facts: Facts, told: Told, history: Sequence[Version], at: int) -> Iterator[str]:
    content = history[at].content
    if content is not None and told.fingerprint and facts.fingerprint(content) != told.fingerprint:
        yield f"the hash in the receipt of {told.version} of {told.uri} is not that of its content"
    before = {"", *(version.text for version in history[:at])}
    if told.late and told.prior == told.announced and told.prior in before:
        # An heir knows STARTED alone: it names what was there before the issuer lost a check-and-set and tried again.
        return
    if told.prior and (at == 0 or history[at - 1].text != told.prior):
        yield f"{told.version} of {told.uri} does not come after {told.prior}, as its receipt says"
    if not told.prior and at and history[at - 1].content is not None:
        yield f"{told.version} of {told.uri} replaced {history[at - 1].text}; its receipt says that nothing was there"


def versions_are_explained(facts: Facts) -> Iterator[str]:
    """Nothing is written twice: each version belongs to one receipt, or to a request whose outcome is unknown."""
    for uri, history in facts.histories.items():
        of_this = [told for told in facts.requests.values() if told.uri == uri]
        named = {told.version for told in of_this if told.outcome == "UPLOADED"}
        unknown = sum(told.reason == "OUTCOME_UNKNOWN" or not told.ended for told in of_this)
        # A write onto nothing, of which no answer came, and a deletion right after it leave nothing again: KEY_LOST.
        undone = sum(told.reason == "KEY_LOST" and told.announced == "" for told in of_this)
        without = [version for version in history if version.text not in named]
        deleted = sum(version.content is None for version in without)
        if len(without) > unknown + min(undone, deleted):
            texts = [version.text for version in without]
            yield f"{uri} has the versions {texts}, which no receipt names, and {unknown} requests of unknown outcome"


def deletions_are_explained(facts: Facts) -> Iterator[str]:
    """Nothing is deleted without a request: a deletion announced each version that is not there any more."""
    for uri, history in facts.histories.items():
        # An end without any deletion promises it, but for a changed secret: OpenBao deletes by number, and then another
        # version can be there, whose own receipt may have come or not.
        asked = {
            told.announced
            for told in facts.requests.values()
            if told.uri == uri and told.deletes and _may_have_deleted(told)
        }
        last = max((at for at, version in enumerate(history) if version.text in asked), default=-1)
        for at, version in enumerate(history):
            explained = at <= last if uri.startswith(_SETS_ASIDE_ALL) else version.text in asked
            if version.content is None and not explained:
                yield f"{version.text} of {uri} was deleted, and no request asked for that"


def _may_have_deleted(told: Told) -> bool:
    return told.outcome == "DELETED" or not told.ended or told.reason in _DELETED_PERHAPS


def refused_is_not_there(facts: Facts) -> Iterator[str]:
    """An end that promises that nothing was written keeps this promise."""
    for one in facts.operations:
        if one.verb in CHANGES and one.value and one.end in NOTHING_WRITTEN and _places(facts, one):
            yield f"told that nothing was written, and it is there: {one}"


def ends_are_true(facts: Facts) -> Iterator[str]:
    """What a client does not know, the log knows: what became of all its requests is what the engine shows."""
    for one in facts.operations:
        told = [facts.requests[each] for each in one.request_ids if each in facts.requests]
        if one.verb not in CHANGES or not one.value or not told or one.end == KILLED:
            continue
        if any(not each.ended or each.reason == "OUTCOME_UNKNOWN" for each in told):
            continue
        is_there, said = bool(_places(facts, one)), any(each.outcome in {"UPLOADED", "UNCHANGED"} for each in told)
        if said and not is_there and not _deleted(facts, one, told):
            yield f"the log says that it was written, and it is not there: {one}"
        if is_there and not said:
            yield f"the log says that nothing was written, and it is there: {one}"
    for one in facts.operations:
        if one.end == UNKNOWN and not any(each in facts.requests for each in one.request_ids):
            yield f"of unknown outcome, and m8 knows no request of it: {one}"


def _deleted(facts: Facts, one: Operation, told: Sequence[Told]) -> bool:
    """Whether the version that a receipt names was deleted since."""
    found = [_version(facts.histories.get(one.uri, ()), each.version) for each in told if each.version]
    return any(version is not None and version.content is None for version in found)


def written_once(facts: Facts) -> Iterator[str]:
    """No value comes back: it is in one version, and in those that patches made of it."""
    for one in facts.operations:
        places = _places(facts, one) if one.verb in {"put", "patch"} else []
        between = range(places[0], places[-1]) if places else ()
        history = facts.histories.get(one.uri, ())
        if any((found := history[at].content) is not None and found.get(one.key) != one.value for at in between):
            yield f"written, replaced, and written again: {one}"
        if one.verb == "put" and sum(history[at].content == {"password": one.value} for at in places) > 1:
            yield f"written more than once: {one}"


def compared_truly(facts: Facts) -> Iterator[str]:
    """A comparison tells of the version that it names whether it has this value alone."""
    for one in facts.operations:
        if one.verb != "compare" or one.end != OK:
            continue
        if not one.version:
            if one.equal:
                yield f"equal to nothing: {one}"
            continue
        found = _version(facts.histories.get(one.uri, ()), one.version)
        if found is None:
            yield f"compared with a version that was never there: {one}"
        elif found.content is not None and (found.content == {"password": one.value}) is not one.equal:
            yield f"compared falsely: {one}"


def one_after_the_other(facts: Facts) -> Iterator[str]:
    """What ended before something else began comes before it: real time is respected for each secret."""
    for uri, history in facts.histories.items():
        order = {version.text: at for at, version in enumerate(history)}
        done = [
            (one, order[one.version])
            for one in facts.operations
            if one.place == uri and one.end == OK and one.version in order and one.ended is not None
        ]
        for one, at in done:
            for other, later in done:
                if one.ended is not None and one.ended < other.began and _overtakes(one, at, other, later):
                    yield f"the past came back at {uri}: {one}; then {other}"


def _overtakes(one: Operation, at: int, other: Operation, later: int) -> bool:
    """Whether the one that came later in time shows or makes an older version."""
    return later < at or (later == at and other.verb == "patch")


def ended_in_time(facts: Facts) -> Iterator[str]:
    for one in facts.operations:
        if one.ended is None:
            yield f"it never ended: {one}"
        elif one.ended - one.began > facts.bound_s:
            yield f"it took {one.ended - one.began:.1f} s: {one}"


def nothing_is_a_defect(facts: Facts) -> Iterator[str]:
    """No client is told of a defect, a changed identity, a log that does not fit or a bad credential."""
    for one in facts.operations:
        if one.end in DEFECTS:
            yield f"an end that no fault explains: {one}"


def _version(history: Sequence[Version], text: str) -> Version | None:
    return next((version for version in history if version.text == text), None)


def _places(facts: Facts, one: Operation) -> list[int]:
    """Where in the history of its secret an operation's value stands."""
    history = facts.histories.get(one.place, ())
    return [at for at, version in enumerate(history) if (version.content or {}).get(one.key) == one.value]
