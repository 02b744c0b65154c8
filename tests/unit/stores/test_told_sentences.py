"""Of every refusal of a driver it is decided whether users may be told it, and when it comes.

One that comes after STARTED tells a right guess from a wrong one. So whatever depends on path, options and values alone
is refused before a request's content is compared with what is there, and the rest is counted by the reactor.
`refusals.txt` says of each refusal which it is; a new one is in neither place until its author decides.
"""

from __future__ import annotations

import ast
import re

import pytest

from monoskope.protocol.outcomes import is_detail
from monoskope.stores.shared.sentences import TOLD
from tests.unit.stores.refusals import TABLE, modules, reached_before, refusals, table

SILENT = {"opening": "nobody asks for anything yet", "reading": "it says something of a value that is there"}
"""Times of `refusals.txt` whose refusals users are not told, but for what is said at another time, too."""
NAMES_THE_MACHINE = {
    "the engine's answer is not that of a KV version {} engine.",
    "{} answered with a redirect, which is never followed.",
    "{} cannot be read.",
    "{} cannot be read: {}.",
    "{} does not exist.",
    "{} does not hold a JWT.",
    "{} does not hold a token of printable ASCII.",
    "{} does not hold one line of printable ASCII.",
    "{} does not hold one line of text.",
    "{} has mode {}: others than its owner can change or reach it.",
    "{} is damaged.",
    "{} and {} do not hold a certificate and its key.",
    "{}'s certificate is not trusted, or it does not speak TLS.",
    "there is no KV version {} engine at {}.",
}
"""They name a file or an address of the reactor's machine, or could."""
OF_THE_OPERATOR = {
    "a credential for {} has characters that no request can carry.",
    "AWS answered with a redirect, which is never followed.",
    "stores of the kind {} have no policy to print.",
    "the answer is not that of Parameter Store.",
    "the answer is not that of Secrets Manager.",
    "the answer is not that of a Kubernetes API server.",
    "the certificate of AWS is not trusted, or it does not speak TLS.",
    "the certificate of the database is not trusted.",
    "the engine does not know the token in token_file.",
    "the engine took the login but gave no token.",
    "the engine's answer is not that of a KV version 2 engine.",
    "the file of this secret is larger than any of this store.",
    "the program gpg cannot be started.",
    "the store is closed.",
    "the wrapping token gave no secret id.",
    "the wrapping token was not made by this AppRole method for a secret id: it may have been swapped.",
    "the wrapping token was used before, has expired, or was changed.",
    "this engine cannot replace or delete exactly one known version.",
    "this engine keeps no hashes.",
    "this engine has no versions, so no version can be named as the one to replace.",
    "this engine stores no write tags.",
    "what is at address does not answer as Barbican does.",
    "what is at auth_url does not answer as Keystone does.",
}
"""Only the store's operator can do something about them; the reactor's log is where they belong."""
NOT_SHORT = {"a Secret of the type {} has {}."}
"""What fills it are several words."""
NOT_ASCII = {"the value of {} has {{…}} in it, which the service does not take."}


def sentences() -> dict[str, set[str]]:
    """Every sentence of a driver's refusal, with the times at which it comes."""
    found: dict[str, set[str]] = {}
    for (_, _, text), when in table().items():
        for one in alternatives(text):
            found.setdefault(one, set()).add(when)
    return found


def alternatives(text: str) -> list[str]:
    """The sentences in one place of the table: none where a function makes the error, two in `A if x else B`."""
    if re.fullmatch(r"\w+\(\)|[a-z_.]+", text):
        return []
    if " if " in text and text[0] in "\"'":
        choice = ast.parse(text, mode="eval").body
        assert isinstance(choice, ast.IfExp)
        return [ast.literal_eval(choice.body), ast.literal_eval(choice.orelse)]
    return [text]


def test_of_every_sentence_somebody_decided_whether_users_may_be_told() -> None:
    left_out = NAMES_THE_MACHINE | OF_THE_OPERATOR | NOT_SHORT | NOT_ASCII
    undecided = {one for one, when in sentences().items() if when - SILENT.keys() and one not in TOLD | left_out}
    assert undecided == set(), "add each to TOLD in stores/shared/sentences.py, or say here why not"


def test_nothing_is_told_that_no_driver_says() -> None:
    assert TOLD - sentences().keys() == set()


def test_nothing_is_told_that_is_said_of_a_value_or_while_a_store_is_opened() -> None:
    assert {one for one in TOLD if not sentences()[one] - SILENT.keys()} == set()


def test_a_sentence_with_a_key_in_it_can_be_a_detail() -> None:
    assert [one for one in TOLD if not is_detail(one.replace("{}", "password"))] == []


def untold(trees: dict[str, ast.Module]) -> list[str]:
    """What the authors of new refusals have to decide."""
    return [
        f"{module}.{place} refuses with {sentence!r}. If path, options and values alone decide it, refuse it in `check`"
        f" or `check_payload`, too, and list it in {TABLE.name} as `before`; if not, list it where it says why not."
        for module, place, sentence in sorted(set(refusals(trees)))
        if (module, place, sentence) not in table()
    ]


def test_of_every_refusal_somebody_decided_when_it_comes() -> None:
    assert untold(modules()) == []


def test_the_table_lists_nothing_that_is_gone() -> None:
    assert sorted(set(table()) - set(refusals(modules()))) == []


def test_what_is_said_to_come_before_does_and_nothing_else() -> None:
    reached = reached_before(modules())
    said = {refusal for refusal, when in table().items() if when == "before"}
    assert said == {(module, place, sentence) for module, place, sentence in table() if (module, place) in reached}


@pytest.mark.parametrize(
    ("module", "function", "new"),
    [
        ("vault.kv2", "async def write", '        raise StoreRefusedError("too late.")\n'),
        ("vault.kv2", "async def write", "        raise malformed()\n"),
        ("password_store.config", "def content", '        raise UnsupportedError("too late.")\n'),
    ],
)
def test_a_new_refusal_turns_this_red(module: str, function: str, new: str) -> None:
    trees = modules()
    lines = ast.unparse(trees[module]).splitlines(keepends=True)
    [at] = [number for number, line in enumerate(lines) if line.strip().startswith(f"{function}(")]
    trees[module] = ast.parse("".join([*lines[: at + 1], new, *lines[at + 1 :]]))
    assert len(untold(trees)) == 1


def test_a_payload_that_is_not_judged_any_more_turns_this_red() -> None:
    trees = modules()
    for node in ast.walk(trees["vault.kv1"]):
        if isinstance(node, ast.FunctionDef) and node.name == "check_payload":
            node.body = [ast.Pass()]
    for node in ast.walk(trees["vault.kv2"]):
        if isinstance(node, ast.FunctionDef) and node.name == "check_payload":
            node.body = [ast.Pass()]
    assert ("vault.versions", "to_engine") not in reached_before(trees)
