"""The promise of a store driver that it refuses early what it can know: before anything is compared or announced.

Who may write tests guesses without a trace by values or options that only the write refuses: a right guess ends as
UNCHANGED, a wrong one as refused. So each refusal of `write` and `patch` that depends on path, options and values alone
is one of `check` or `check_payload` first. What the engine's state or policy decides is not asked for here.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from monoskope.protocol.payload import MAX_KEYS, Payload, encode
from monoskope.stores.driver import NOTHING, CannotReadError, StoreDriver, StoreRefusedError
from monoskope.testing.drivers.harness import NOT_TEXT, TRICKY, DriverFixtures, Harness, Path, over, sized, tag

BASE = {"k": b"v"}
"""What is there before a patch."""
TELLING: dict[str, dict[str, bytes]] = {
    **TRICKY,
    "a plain value": {"k": b"v"},
    "bytes that are not text": {"k": NOT_TEXT},
    "text and other bytes": {"fine": b"text", "raw": NOT_TEXT},
    "half a character": {"k": "é".encode()[:1]},
    "a surrogate": {"k": b"\xed\xa0\x80"},
    "a zero byte": {"k": b"\x00"},
    "a byte order mark": {"k": b"\xef\xbb\xbfx"},
    "one line and its end": {"k": b"x\n"},
    "white space alone": {"k": b" \t\n"},
    "white space of Unicode": {"k": "\u2028x\x85".encode()},
    "a reference of an engine's": {"k": b"{{ssm:other}}"},
    "a key of its own meaning": {"password": b"x", "ttl": b"-1"},
    "an empty value of such a key": {"password": b""},
    "keys of a TLS pair": {"tls.crt": b"x", "tls.key": b"y"},
    "keys of a login": {".dockerconfigjson": b"{}", "ssh-privatekey": b"z", "username": b"u"},
    "no login": {".dockerconfigjson": b"[1e999]", "ssh-privatekey": b"", "username": b"u"},
}
"""Values that some engine or layout has no place for."""

Refusal = type[StoreRefusedError | CannotReadError] | None


@dataclass(frozen=True)
class Case:
    """Values that are written, or set by a patch, under options."""

    name: str
    payload: Payload | None
    options: object | None
    remove: Sequence[str] | None = None
    """None for a write."""

    def __str__(self) -> str:
        removing = f", dropping {list(self.remove)}" if self.remove else ""
        return f"{self.name}{removing}, options {str(self.options).split()}"


class RefusalPromises(DriverFixtures):
    """What `write` and `patch` refuse by path, options and values, `check` and `check_payload` refuse first."""

    async def test_what_a_write_refuses_is_refused_before(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """By the same error; and what is refused before, the write refuses by itself."""
        differing = []
        for number, case in enumerate(_writes(harness, driver)):
            place = (*path[:-1], f"write-{number}")
            before = _refused_before(driver, place, case)
            after = await _refused_by_write(driver, place, case)
            if before != after:
                differing.append(_told(case, before, after))
        assert differing == []

    async def test_what_a_patch_refuses_is_refused_before(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """By the same error; and what is refused before, the patch refuses by itself."""
        differing = []
        for number, case in enumerate(_patches(harness, driver)):
            place = (*path[:-1], f"patch-{number}")
            base = Case("", Payload(BASE), case.options)
            if not driver.capabilities.patchable or _refused_before(driver, place, base):
                continue
            version = await driver.write(
                place, Payload(BASE), replacing=over(driver, NOTHING), write_tag=tag(), options=case.options
            )
            before = _refused_before(driver, place, case)
            after = await _refused_by_patch(driver, place, case, version)
            if before != after:
                differing.append(_told(case, before, after))
        assert differing == []

    async def test_values_are_judged_without_the_engine(
        self, harness: Harness, driver: StoreDriver, path: Path
    ) -> None:
        """Nothing is asked of it: the judgement is the same while it is away, and depends on nothing that is there."""
        cases = [*_writes(harness, driver), *_patches(harness, driver)]
        judged = [_refused_before(driver, path, case) for case in cases]
        if harness.goes_away:
            await harness.take_down()
        try:
            assert [_refused_before(driver, path, case) for case in cases] == judged
        finally:
            if harness.goes_away:
                await harness.bring_up()


def _options(harness: Harness) -> Iterator[object | None]:
    yield None
    if harness.bytes_options is not None:
        yield harness.bytes_options
    yield from harness.more_options


def _payloads(driver: StoreDriver) -> Iterator[tuple[str, Mapping[str, bytes]]]:
    """What a reactor could hand over: not larger than is announced, keys within the rule."""
    most, rule = driver.capabilities.max_plaintext, driver.capabilities.key_rule
    largest = {f"as much of {filler!r} as fits": dict(sized(most, filler)) for filler in (b"x", b"\x01", b"\xff")}
    for name, values in (TELLING | largest).items():
        within = rule is None or all(rule.fullmatch(key) for key in values)
        if within and len(encode(Payload(values))) <= most:
            yield name, values


def _writes(harness: Harness, driver: StoreDriver) -> Iterator[Case]:
    for (name, values), options in itertools.product(_payloads(driver), _options(harness)):
        yield Case(name, Payload(values), options)
    for options in harness.lone_options:
        yield Case("options alone", Payload(BASE), options)
    yield Case("options that are not its own", Payload(BASE), harness.bad_options)


def _patches(harness: Harness, driver: StoreDriver) -> Iterator[Case]:
    """Patches of `BASE` whose result is a secret, so that what is there is no reason to refuse them."""
    for (name, values), options in itertools.product(_payloads(driver), _options(harness)):
        changes = dict(itertools.islice(values.items(), MAX_KEYS - 1))
        yield Case(name, Payload(changes), options, [])
        if unchanged := [key for key in BASE if key not in changes]:
            yield Case(name, Payload(changes), options, unchanged)
    for options in harness.lone_options:
        yield Case("options alone", Payload(BASE), options, [])
    yield Case("nothing", None, None, ["not-there"])


def _refused_before(driver: StoreDriver, path: Path, case: Case) -> Refusal:
    try:
        driver.check(path, case.options)
        driver.check_payload(path, case.payload, remove=case.remove, options=case.options)
    except (StoreRefusedError, CannotReadError) as error:
        return type(error)
    return None


async def _refused_by_write(driver: StoreDriver, path: Path, case: Case) -> Refusal:
    assert case.payload is not None
    try:
        await driver.write(path, case.payload, replacing=over(driver, NOTHING), write_tag=tag(), options=case.options)
    except (StoreRefusedError, CannotReadError) as error:
        return type(error)
    return None


async def _refused_by_patch(driver: StoreDriver, path: Path, case: Case, version: str) -> Refusal:
    try:
        await driver.patch(
            path,
            case.payload,
            case.remove or (),
            replacing=over(driver, version),
            write_tag=tag(),
            options=case.options,
        )
    except (StoreRefusedError, CannotReadError) as error:
        return type(error)
    return None


def _told(case: Case, before: Refusal, after: Refusal) -> str:
    names = ["nothing" if one is None else one.__name__ for one in (before, after)]
    return f"{case}: {names[0]} before, {names[1]} by the engine's driver"
