"""Who must ask whom, and what lets somebody around it: sentences for `m8 reactor check`.

Nothing follows from them. A way around may be wanted, as for a pipeline that nobody can wait for; but its owner should
have wanted it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from monoskope.protocol.identity import COPIES_FROM
from monoskope.protocol.purposes import PURPOSES
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD, ApproveRule, MayRule, SignersFile, includes
from monoskope.reactor.value_rules import ValueRule
from monoskope.stores.shared.accounts import KEY
from monoskope.uri import parse_below


def who_asks_whom(file: SignersFile, can_sign: Callable[[str], bool]) -> Iterator[str]:
    """Yield a sentence for each entry that asks for approvals, and then the warnings, each once.

    Args:
        file: The table `[signers]`.
        can_sign: Whether the list of approvers has a line for a principal.
    """
    asking = [rule for rule in file.may if rule.approvals]
    for rule in asking:
        yield from _asks(file, rule, can_sign)
    yield from dict.fromkeys(f"Warning: {sentence}." for sentence in _warnings(file, asking, can_sign))


def who_knows(file: SignersFile, rules: Sequence[ValueRule]) -> Iterator[str]:
    """Yield a warning for each who may put a password that they know into an account of this store.

    Of a copy the other store's rules say where the password may come from. Of what is generated a `fixed` is known,
    unless one of `rules`, those on values, forbids it.
    """
    made = [one for one in rules if one.generated and (not one.keys or KEY in one.keys)]
    for rule in file.may:
        if "generate" in rule.purposes and not all(any(_covers(one, path) for one in made) for path in rule.prefixes):
            yield (
                f"Warning: {rule.who} may generate a password that it knows, as `fixed`, {_where(rule)}. A table"
                " [[rules]] with `generated` forbids that."
            )
        if "upload" not in rule.purposes:
            continue
        if rule.principal.startswith(COPIES_FROM):
            store = rule.principal.removeprefix(COPIES_FROM)
            yield f"Whether anybody knows what is copied from {store} {_where(rule)}, the rules of {store} say"
        else:
            yield f"Warning: {rule.who} may put a password that it knows {_where(rule)}."


def _asks(file: SignersFile, rule: MayRule, can_sign: Callable[[str], bool]) -> Iterator[str]:
    for approvers, words in _by_approvers(file, rule, can_sign):
        whom = ", ".join(approvers) or "nobody"
        yield f"{rule.who} must ask {rule.approvals} of {whom} to {', '.join(words)} {_where(rule)}"
    if rule.break_glass:
        yield f"{rule.principal} may break the glass there, with a security key"


def _by_approvers(
    file: SignersFile, rule: MayRule, can_sign: Callable[[str], bool]
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Yield the purposes of an entry, together those that the same people can approve wherever it allows them."""
    found: dict[tuple[str, ...], list[str]] = {}
    for word in rule.purposes:
        able = [
            name
            for entry in file.approve
            if word in entry.purposes and all(_covers(entry, path) for path in rule.prefixes)
            for name in entry.principals
            if name != rule.principal and can_sign(name)
        ]
        found.setdefault(tuple(sorted(set(able))), []).append(word)
    yield from found.items()


def _warnings(file: SignersFile, asking: Sequence[MayRule], can_sign: Callable[[str], bool]) -> Iterator[str]:
    for name in dict.fromkeys(name for entry in file.approve for name in entry.principals):
        if not can_sign(name):
            yield f"the list of approvers has no line for {name}"
    for rule in asking:
        if rule.principal.startswith(COPIES_FROM):
            yield f"a copy key has no approvals to show, so what {rule.principal} brings is refused {_where(rule)}"
        for approvers, words in _by_approvers(file, rule, can_sign):
            others = max(0, len(approvers) - rule.principal.startswith("*"))  # one of them may be who asks
            if others < rule.approvals:
                yield (
                    f"{rule.who} must ask {rule.approvals} to {', '.join(words)} {_where(rule)}, and"
                    f" {others} can approve it"
                )
        yield from _ways_around(file, rule)


def _ways_around(file: SignersFile, rule: MayRule) -> Iterator[str]:
    for word in file.unsigned:
        if PURPOSES[PURPOSE_BY_WORD[word]].writes_here:
            yield f"{word} needs no signature, also where {rule.who} must ask"
    for other in file.may:
        words = _around(rule, other)
        if words:
            source = other.principal.removeprefix(COPIES_FROM)
            copies = "" if source == other.principal else f", by the rules of {source} alone"
            how = f"with {other.approvals} of {rule.approvals} approvals" if other.approvals else "without approvals"
            yield (f"{other.who} may {', '.join(words)} {how}{copies}, {_where(other)}, where {rule.who} must ask")


def _around(rule: MayRule, other: MayRule) -> list[str]:
    """Return what `other` may do, with fewer approvals, where `rule` asks: the same, or without any whatever writes."""
    overlaps = any(_overlap(one, there) for one in rule.prefixes for there in other.prefixes)
    if other.approvals >= rule.approvals or not overlaps:
        return []
    # Where both entries cover a request, the higher number counts.
    settled = rule.purposes if rule.principal == other.principal or includes(rule.principal, other.principal) else []
    writing = [] if other.approvals else [one for one in other.purposes if PURPOSES[PURPOSE_BY_WORD[one]].writes_here]
    return [word for word in other.purposes if word in {*writing, *rule.purposes} and word not in settled]


def _covers(entry: ApproveRule | ValueRule, path: str) -> bool:
    return any(parse_below(path)[: len(parse_below(prefix))] == parse_below(prefix) for prefix in entry.prefixes)


def _overlap(one: str, other: str) -> bool:
    pairs = zip(parse_below(one), parse_below(other), strict=False)
    return all(mine == theirs for mine, theirs in pairs)


def _where(rule: MayRule) -> str:
    return "at " + ", ".join(prefix or "all paths" for prefix in rule.prefixes)
