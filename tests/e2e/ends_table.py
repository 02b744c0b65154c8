"""Every end of every purpose that carries, makes or reads a value: the ways to it, or why no value can be held then."""

from __future__ import annotations

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.purposes import PURPOSES
from tests.e2e.breaking_bao import FAULTS
from tests.e2e.breaking_store import LIBRARIES
from tests.e2e.ends_rig import Way
from tests.e2e.ends_spoilt import SPOILT

UPLOAD, PATCH, COMPARE = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_COMPARE
GENERATE, COPY = upload_pb2.PURPOSE_GENERATE, upload_pb2.PURPOSE_COPY
VERIFY, IMPORT = upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT
UNDELETE, ROLLBACK = upload_pb2.PURPOSE_UNDELETE, upload_pb2.PURPOSE_ROLLBACK
ANY, ABSENT, VERSION = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_VERSION

HOLDS_NONE = frozenset({upload_pb2.PURPOSE_UNSPECIFIED, upload_pb2.PURPOSE_DELETE, upload_pb2.PURPOSE_LIST})
"""The purposes that neither carry nor make nor read a value."""
STORES = ("vault", "blind", "breaking", "local")

_KNOWN = {
    "away": "UPSTREAM_UNAVAILABLE",
    "conflict": "CONFLICT",
    "refused": "UPSTREAM_REFUSED",
    "unreadable": "CANNOT_READ",
    "unsupported": "UNSUPPORTED",
}
"""What a driver may say, and what becomes of it."""
_UNKNOWN = (*LIBRARIES, "hang")
"""What no driver should do."""

_ASKS_TO_WAIT = ("echo-412", "echo-429")
_REFUSES = ("echo-403", "echo-404", "echo-405", "echo-413", "early", "redirect")
_HAS_NO_VALUE = ("echo-200", "deep-json", "half-json", "no-object", "no-text")
_READ = {
    **dict.fromkeys(FAULTS, "UPSTREAM_UNAVAILABLE"),
    **dict.fromkeys((*_REFUSES, "echo-400", *_HAS_NO_VALUE), "UPSTREAM_REFUSED"),
    "numbers": "CANNOT_READ",
}
"""What becomes of a read that OpenBao answers so."""
_WRITTEN = {
    **dict.fromkeys(FAULTS, "unknown"),
    **dict.fromkeys(_REFUSES, "UPSTREAM_REFUSED"),
    **dict.fromkeys(_ASKS_TO_WAIT, "UPSTREAM_UNAVAILABLE"),
    "echo-400": "CONFLICT",
    "numbers": "UPLOADED",
}
"""What becomes of a write that OpenBao has made and answers so."""


_ONCE_MORE = ("echo-500", "numbers", "half-gzip", "cut")
"""Of those for reads and writes that other purposes make alike."""


def _plain() -> list[Way]:
    ways = [
        *(Way(UPLOAD, "UPLOADED", store) for store in STORES),
        *(Way(GENERATE, "UPLOADED", store) for store in STORES),
        *(Way(PATCH, "UPLOADED", store, there="theirs") for store in STORES),
        *(Way(VERIFY, "IN_SYNC", store, there="ours") for store in STORES),
        *(Way(VERIFY, "DRIFTED", store, there="drifted") for store in STORES),
        *(Way(UPLOAD, "BAD_PAYLOAD", store, spoil=how) for store in ("vault", "local") for how in SPOILT),
        *(Way(purpose, "BAD_PAYLOAD", there="theirs", spoil=how) for purpose in (PATCH, COMPARE) for how in SPOILT),
        *(Way(COMPARE, "CANNOT_READ", "blind", there=there) for there in ("same", "theirs")),
        Way(PATCH, "BAD_PAYLOAD", there="theirs", remove=("small",)),
        Way(PATCH, "CONFLICT", there="theirs", remove=("nowhere",)),
        Way(PATCH, "NOT_FOUND"),
        Way(UPLOAD, "UPLOADED", "blind", there="theirs"),
        *(Way(UNDELETE, "UNDELETED", store, there="gone") for store in STORES),
        *(Way(ROLLBACK, "ROLLED_BACK", store, there="two") for store in ("vault", "breaking", "local")),
        Way(COPY, "CONFLICT", expect=ABSENT, to="theirs"),
        Way(COPY, "CONFLICT", "vault", expect=ANY, to="theirs"),
    ]
    for store in ("vault", "breaking", "local"):
        ways += [
            Way(UPLOAD, "UNCHANGED", store, there="same"),
            Way(UPLOAD, "CONFLICT", store, there="theirs", expect=ABSENT),
            Way(UPLOAD, "CONFLICT", store, there="theirs", expect=VERSION),
            Way(UPLOAD, "UPSTREAM_CHANGED", store, there="theirs", expect=ANY),
            Way(PATCH, "UNCHANGED", store, there="same"),
            Way(PATCH, "UPSTREAM_CHANGED", store, there="theirs", expect=ANY),
            Way(COMPARE, "EQUAL", store, there="same"),
            Way(COMPARE, "DIFFERENT", store, there="theirs"),
            Way(IMPORT, "IMPORTED", store),
        ]
    ways += [Way(purpose, "UNSUPPORTED", there="theirs", key="forbidden") for purpose in (UPLOAD, PATCH, COMPARE)]
    return ways + [Way(COPY, "COPIED", store) for store in ("vault", "breaking")]


def _breaking_drivers() -> list[Way]:
    """Drivers that fail, as the contract allows and as it does not, with the value in what they raise."""
    ways: list[Way] = []
    for fault, end in _KNOWN.items():
        ways += [Way(UPLOAD, end, script=f"{method}.{fault}") for method in ("write", "written")]
        ways += [Way(UPLOAD, end, script=f"write.conflict--version.{fault}.2")]
        ways += [Way(GENERATE, end, script=f"write.{fault}"), Way(PATCH, end, script=f"write.{fault}", there="theirs")]
        ways += [Way(purpose, end, script=f"read.{fault}", there="theirs") for purpose in (COMPARE, COPY, IMPORT)]
        ways += [Way(VERIFY, end, script=f"read.{fault}", there="ours")]
        ways += [Way(UNDELETE, "UNDELETED", script=f"read.{fault}", there="gone")]
        ways += [Way(ROLLBACK, end, script=f"{method}.{fault}", there="two") for method in ("earlier", "write")]
        there = "UPLOADED" if fault == "unreadable" else end
        ways += [Way(UPLOAD, there, script=f"read.{fault}", there="theirs")]
        seen_there = "UPSTREAM_REFUSED" if fault in {"unreadable", "unsupported"} else end
        ways += [Way(COPY, seen_there, to=f"write.{fault}")]
    for fault in (*_UNKNOWN, "unknown"):
        end = "OUTCOME_UNKNOWN" if fault == "unknown" else "UPSTREAM_UNAVAILABLE"
        ways += [Way(purpose, end, script=f"read.{fault}", there="theirs") for purpose in (UPLOAD, COMPARE, IMPORT)]
        ways += [Way(COPY, end, script=f"read.{fault}"), Way(VERIFY, end, script=f"read.{fault}", there="ours")]
        ways += [Way(UPLOAD, "KEY_LOST", script=f"write.{fault}"), Way(UPLOAD, "UPLOADED", script=f"written.{fault}")]
        if fault != "hang":
            ways += [Way(UPLOAD, end, script=f"write.conflict--version.{fault}.2")]
    # Few, since each takes a place of a writer, or of one of four copies, for seconds.
    for fault in ("json", "group", "hang", "unknown"):
        ways += [Way(COPY, "OUTCOME_UNKNOWN", to=f"write.{fault}")]
        ways += [Way(UPLOAD, "OUTCOME_UNKNOWN", script=f"write.unknown--find.{fault}")]
        ways += [Way(GENERATE, "KEY_LOST", script=f"write.{fault}")]
        ways += [Way(PATCH, "KEY_LOST", script=f"write.{fault}", there="theirs")]
        ways += [Way(GENERATE, "OUTCOME_UNKNOWN", script=f"write.unknown--find.{fault}")]
        ways += [Way(UNDELETE, "UNDELETED", script=f"read.{fault}", there="gone")]
        end = "OUTCOME_UNKNOWN" if fault == "unknown" else "UPSTREAM_UNAVAILABLE"
        ways += [Way(ROLLBACK, end, script=f"earlier.{fault}", there="two")]
        ways += [Way(ROLLBACK, "KEY_LOST", script=f"write.{fault}", there="two")]
        ways += [Way(ROLLBACK, "OUTCOME_UNKNOWN", script=f"write.unknown--find.{fault}", there="two")]
        ways += [Way(PATCH, "OUTCOME_UNKNOWN", script=f"write.unknown--find.{fault}", there="theirs")]
    return ways


def _breaking_engines() -> list[Way]:
    """OpenBao behind a proxy that breaks, and echoes what passes."""
    ways: list[Way] = []
    for fault, end in _READ.items():
        script = f"get-data.{fault}"
        for purpose, read in (
            (UPLOAD, "UPLOADED"),
            (COMPARE, "DIFFERENT"),
            (COPY, "COPIED"),
            (IMPORT, "IMPORTED"),
            (VERIFY, "IN_SYNC"),
        ):
            found = read if end == "read" else end
            if purpose == UPLOAD and found == "CANNOT_READ":
                found = "UPLOADED"
            ways.append(Way(purpose, found, "vault", script, there="ours" if purpose == VERIFY else "theirs"))
        if fault in _ONCE_MORE:
            ways.append(Way(UNDELETE, "UNDELETED", "vault", script, there="gone"))
            ways.append(Way(ROLLBACK, "ROLLED_BACK" if end == "read" else end, "vault", script, there="two"))
    for fault, end in _WRITTEN.items():
        found = "UPLOADED" if end == "unknown" else end
        # A conflict under OVERWRITE is tried again and again; this one is to be found once.
        expect = ABSENT if end == "CONFLICT" else upload_pb2.EXPECT_OVERWRITE
        ways.append(Way(UPLOAD, found, "vault", f"post-data.{fault}", expect=expect))
        ways.append(Way(GENERATE, found, "vault", f"post-data.{fault}", expect=expect))
        ways.append(Way(PATCH, found, "vault", f"patch-data.{fault}", there="theirs"))
        if fault in _ONCE_MORE:
            back = "ROLLED_BACK" if found == "UPLOADED" else found
            ways.append(Way(ROLLBACK, back, "vault", f"post-data.{fault}", there="two"))
        ways.append(Way(UPLOAD, "OUTCOME_UNKNOWN" if end == "unknown" else end, "blind", f"post-data.{fault}"))
    return ways


WAYS = [*_breaking_drivers(), *_plain(), *_breaking_engines()]
"""What is walked at once. The slowest come first."""


def aspects(way: Way) -> set[tuple[object, ...]]:
    """What a way shows: its fault, at which place of which store and for which purpose something broke, and its end."""
    place, _, fault = way.script.partition(".")
    return {
        ("fault", fault),
        ("place", way.store, place, way.purpose),
        ("destination", way.to),
        ("spoilt", way.spoil),
        ("end of a purpose", way.purpose, way.end),
        ("end at a store", way.store, way.end),
    }


def _few() -> list[Way]:
    """Enough of them for each aspect of all, those first that show most of what is not shown yet."""
    shows = {way: aspects(way) for way in WAYS}
    few, left = set[Way](), set[tuple[object, ...]]().union(*shows.values())
    while left:
        way = max(WAYS, key=lambda one: len(shows[one] & left))
        few.add(way)
        left -= shows[way]
    return [way for way in WAYS if way in few]


FEW = _few()
"""What every run walks of them: `make soak` walks them all."""

_GATE = "read.gate"
HELD = [
    *(Way(purpose, "m8: STORE_INACTIVE", script=_GATE, there="theirs") for purpose in (UPLOAD, PATCH, COMPARE, IMPORT)),
    Way(VERIFY, "m8: STORE_INACTIVE", script=_GATE, there="ours"),
    Way(ROLLBACK, "m8: STORE_INACTIVE", script="earlier.gate", there="two"),
]
"""Read while m8 deactivates the store and ends them."""

DEFECTS = [
    ("reactor.after-open=error", Way(COMPARE, "KEY_LOST")),
    ("reactor.before-started=error", Way(UPLOAD, "KEY_LOST")),
    ("reactor.after-started=error", Way(PATCH, "KEY_LOST", there="theirs")),
    ("reactor.before-write=error", Way(GENERATE, "KEY_LOST")),
    ("reactor.after-write=error", Way(UPLOAD, "UPLOADED")),
    ("reactor.before-receipt=error@6", Way(GENERATE, "UPLOADED")),
    ("reactor.after-receipt=error@6", Way(COMPARE, "DIFFERENT", there="theirs")),
]
"""Exceptions of the reactor's own, each at another place, in their order."""

_NO_KEY = "said before a grant, so that nothing is sealed, made or read"
_ERASED = "the key is erased at the end of its lifetime, and nothing is opened, made or read without it"
_SEALED_ALL_THE_SAME = "said of bytes where none belong, which nobody opens, before anything is made or read"
_NOT_SIGNED = (
    "said before the key is used, so that nothing is opened, made or read; of the destination of a COPY it ends as"
    " UPSTREAM_REFUSED does there"
)
_EXPECTS_NOTHING = "said where an expectation is not met, and this purpose has none"
_NOTHING_THERE = "said where nothing is upstream, so that nothing is read"
_NEEDS_NOTHING = "nothing has to be upstream for it"
_M8_ENDS_NONE = (
    "m8 ends none that STARTED announced, and nothing is held before: it is made or read after the last wait"
)

_READS_LAST = "an UNDELETE reads only what came back, and then it ends as UNDELETED, whatever becomes of the reading"
_FAILURES = (
    "BAD_PAYLOAD",
    "CANNOT_READ",
    "CONFLICT",
    "KEY_LOST",
    "NOT_FOUND",
    "OUTCOME_UNKNOWN",
    "STORE_INACTIVE",
    "UNSUPPORTED",
    "UPSTREAM_CHANGED",
    "UPSTREAM_REFUSED",
    "UPSTREAM_UNAVAILABLE",
)

CANNOT: dict[tuple[upload_pb2.Purpose, str], str] = {
    **{(purpose, "NO_REACTOR"): _NO_KEY for purpose in PURPOSES},
    **{(purpose, "RATE_LIMITED"): _NO_KEY for purpose in PURPOSES},
    **{(purpose, "NOT_AUTHORIZED"): _NOT_SIGNED for purpose in PURPOSES},
    **{(purpose, "EXPIRED"): _ERASED for purpose in PURPOSES},
    **{(purpose, "BAD_PAYLOAD"): _SEALED_ALL_THE_SAME for purpose in (GENERATE, COPY, VERIFY, IMPORT, ROLLBACK)},
    **{(purpose, "UPSTREAM_CHANGED"): _EXPECTS_NOTHING for purpose in (COMPARE, VERIFY, IMPORT)},
    **{(purpose, "STORE_INACTIVE"): _M8_ENDS_NONE for purpose in (GENERATE, COPY)},
    **{(UNDELETE, reason): _READS_LAST for reason in _FAILURES},
    (ROLLBACK, "UPSTREAM_CHANGED"): "found out before anything is read",
    (VERIFY, "GONE"): "nothing is upstream that could be read",
    **{(purpose, "NOT_FOUND"): _NOTHING_THERE for purpose in (COPY, IMPORT)},
    **{(purpose, "NOT_FOUND"): _NEEDS_NOTHING for purpose in (UPLOAD, COMPARE, GENERATE, VERIFY, ROLLBACK)},
    (GENERATE, "UPSTREAM_CHANGED"): "found out before anything is made",
    (COPY, "UPSTREAM_CHANGED"): "the source expects nothing; of its destination it is CONFLICT here",
    (COPY, "KEY_LOST"): "said before anything is read; once the value was sent it is OUTCOME_UNKNOWN",
    (VERIFY, "KEY_LOST"): "said by no failure of an engine, and of a defect by what says it of a COMPARE",
    (IMPORT, "KEY_LOST"): "said by no failure of an engine, and of a defect by what says it of a COMPARE",
}
"""Why there is no way."""


def ends() -> set[tuple[upload_pb2.Purpose, str]]:
    """Every end of every purpose but `HOLDS_NONE`, by what the protocol's own enums and tables have."""
    reasons = {
        spelled(upload_pb2.Reason, number)
        for number in upload_pb2.Reason.values()
        if number != upload_pb2.REASON_UNSPECIFIED
    }
    return {
        (purpose, end)
        for purpose in PURPOSES.keys() - HOLDS_NONE
        for end in reasons | {spelled(upload_pb2.Outcome, one) for one in PURPOSES[purpose].successes}
    }


def purposes() -> set[int]:
    """Every purpose of the protocol that `PURPOSES` has to know."""
    return set(upload_pb2.Purpose.values()) - {upload_pb2.PURPOSE_UNSPECIFIED}


def reached() -> set[tuple[upload_pb2.Purpose, str]]:
    every = [*WAYS, *HELD, *(way for _, way in DEFECTS)]
    return {(way.purpose, way.end.removeprefix("m8: ")) for way in every}
