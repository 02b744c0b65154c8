"""What a reactor can be asked to make, and what not."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import UsageError
from monoskope.protocol.recipes import (
    KINDS,
    Recipe,
    Reference,
    check_recipes,
    pair_keys,
    template_of,
    unknowable_keys,
)
from monoskope.protocol.request import parse_request
from monoskope.protocol.wire import MalformedError, serialise
from monoskope.reactor.work.new_values import ALPHABET
from tests.support.vectors import a_request

SIZES = {"password": (8, 1_024), "hex": (8, 1_024), "base64": (8, 1_024)}


def refused(*recipes: Recipe) -> str:
    with pytest.raises(UsageError) as caught:
        check_recipes(recipes)
    assert caught.value.fix
    return caught.value.message


@pytest.mark.parametrize(("kind", "size"), [(kind, edge) for kind, edges in SIZES.items() for edge in edges])
def test_sizes_at_the_edge_and_one_beyond(kind: str, size: int) -> None:
    assert check_recipes([Recipe("a", kind, size)])
    beyond = size - 1 if size == SIZES[kind][0] else size + 1
    assert str(beyond) in refused(Recipe("a", kind, beyond))


def test_key_pairs_have_the_sizes_that_people_use() -> None:
    for bits in (0, 2_048, 3_072, 4_096):
        assert check_recipes([Recipe("a", "rsa", bits)])
    for bits in (1_024, 2_049, 8_192):
        refused(Recipe("a", "rsa", bits))
    assert check_recipes([Recipe("a", "ed25519")])
    refused(Recipe("a", "ed25519", 256))


def test_every_default_has_128_bits() -> None:
    assert KINDS["password"].default * math.log2(len(ALPHABET)) >= 128
    assert KINDS["hex"].default * 8 >= 128
    assert KINDS["base64"].default * 8 >= 128
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert not set("0O1lIo") & set(ALPHABET)
    random = [kind for kind in KINDS if not KINDS[kind].longest]
    assert random == ["password", "hex", "base64", "rsa", "ed25519"]
    for kind in random[:-1]:
        recipe = Recipe("a", kind)
        assert recipe.effective_size == KINDS[kind].default
        check_recipes([Recipe("a", kind, recipe.effective_size)])


def test_what_cannot_be_made_is_named() -> None:
    assert "'a'" in refused(Recipe("a", "dsa"))
    assert "key" in refused(Recipe("..a", "hex"))
    assert "1 to 64" in refused()
    assert "1 to 64" in refused(*[Recipe(f"k{number}", "hex") for number in range(65)])
    assert "twice" in refused(Recipe("a", "hex"), Recipe("a", "rsa"))
    assert "RSA" in refused(*[Recipe(f"k{number}", "rsa") for number in range(5)])
    assert check_recipes([Recipe(f"k{number}", "rsa") for number in range(4)])
    assert len(check_recipes([Recipe(f"k{number:02}", "hex") for number in range(64)])) == 64


def test_recipes_are_in_the_order_of_their_keys() -> None:
    recipes = check_recipes([Recipe("c", "rsa"), Recipe("a", "ed25519"), Recipe("b", "hex")])
    assert [recipe.key for recipe in recipes] == ["a", "b", "c"]
    assert pair_keys(recipes) == ["a", "c"]


@pytest.mark.parametrize(
    ("text", "kind", "size"), [("hex", "hex", 0), ("hex:16", "hex", 16), ("rsa:2048", "rsa", 2_048)]
)
def test_a_recipe_is_a_kind_and_perhaps_a_size(text: str, kind: str, size: int) -> None:
    assert Recipe.parse("a", text) == Recipe("a", kind, size)


@pytest.mark.parametrize("text", ["hex:", "hex:x", "hex:-1", "hex:0", "hex: 8", "hex:٣", "hex:8:8", "hex:100000"])
def test_another_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="KIND or KIND:SIZE"):
        Recipe.parse("a", text)


@given(st.text(max_size=20))
def test_no_text_crashes_the_parser(text: str) -> None:
    try:
        check_recipes([Recipe.parse("a", text)])
    except UsageError:
        return
    assert text.partition(":")[0] in KINDS


@pytest.mark.parametrize("text", ["fixed:", "fixed:a:b", "text:{a}", "text:: {a}"])
def test_what_stands_behind_the_colon_is_the_text(text: str) -> None:
    kind, _, rest = text.partition(":")
    assert Recipe.parse("b", text) == Recipe("b", kind, text=rest)


def test_a_text_is_there_where_it_belongs_and_fits() -> None:
    for kind, longest in (("fixed", 128), ("text", 2_048)):
        most = "{a}".ljust(longest, "\u00e4")
        assert check_recipes([Recipe("a", "hex"), Recipe("b", kind, text=most)])
        for text, has in (
            ("", "0 characters"),
            (most + "x", f"{longest + 1} characters"),
            ("{a}\r", "others"),
            ("{a}\u202e", "others"),
        ):
            said = refused(Recipe("a", "hex"), Recipe("b", kind, text=text))
            assert f"1 to {longest} printable characters and line feeds, and has {has} under" in said
        refused(Recipe("a", "hex"), Recipe("b", kind, 8, "{a}"))
    assert "takes no text" in refused(Recipe("a", "hex", text="{b}"))


def test_the_longest_text_has_room_whatever_its_characters_and_no_more_than_that_is_taken() -> None:
    four = [Recipe(f"k{number}", "text", text="{a}".ljust(2_048, "x")) for number in range(4)]
    longest = Recipe("b", "text", text="{a}" + "\U0001f511" * 2_045)
    assert check_recipes([Recipe("a", "hex"), *four])
    assert check_recipes([Recipe("a", "fixed", text="x" * 9), longest])
    assert "8192 bytes" in refused(Recipe("a", "fixed", text="x"), *four)
    assert "8192 bytes" in refused(Recipe("a", "fixed", text="x" * 10), longest)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{c}", "refers to itself"),
        ("{a}{d}", "refers to another template"),
        ("{a}{b }", "not made with it"),
        ("{hunter2}", "not made with it"),
        ("{a|hex}", "unknown filter"),
        ("{a|}", "unknown filter"),
        ("{a|url|json}", "unknown filter"),
        ("no reference, hunter2", "refers to no key"),
        ("{{a}}", "refers to no key"),
        ("{a}{", "a brace"),
        ("{a}}", "a brace"),
        ("{}{a}", "a brace"),
        ("{a{b}}", "a brace"),
        ("{{a}", "a brace"),
        ("{|url}", "a brace"),
    ],
)
def test_a_template_that_is_none_is_refused_without_what_it_says(template: str, said: str) -> None:
    others = (Recipe("a", "hex"), Recipe("b", "fixed", text="x"), Recipe("d", "text", text="{a}"))
    with pytest.raises(UsageError, match=said) as caught:
        check_recipes([*others, Recipe("c", "text", text=template)])
    assert caught.value.fix
    assert "hunter2" not in f"{caught.value}{caught.value.fix}"


def test_what_a_template_can_refer_to_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        check_recipes([Recipe("b", "hex"), Recipe("a", "rsa"), Recipe("c", "text", text="{x}")])
    assert "a, b" in caught.value.fix


_LITERAL = st.text(st.characters(exclude_categories=["Cs"]))
_REFERENCE = st.builds(Reference, st.text("ab.-_9", min_size=1), st.sampled_from(["", "url", "json"]))


@given(st.lists(_LITERAL | _REFERENCE), _REFERENCE)
def test_a_template_says_what_was_written(pieces: list[str | Reference], last: Reference) -> None:
    text = "".join(
        piece.replace("{", "{{").replace("}", "}}")
        if isinstance(piece, str)
        else f"{{{piece.key}|{piece.filter}}}"
        if piece.filter
        else f"{{{piece.key}}}"
        for piece in [*pieces, last]
    )

    def joined(found: Iterable[str | Reference]) -> list[object]:
        """References with the literals between them, however these are cut."""
        cut: list[object] = [""]
        for piece in found:
            if isinstance(piece, str):
                cut[-1] = f"{cut[-1]}{piece}"
            else:
                cut += [piece, ""]
        return cut

    assert joined(template_of(Recipe("z", "text", text=text))) == joined([*pieces, last])


@given(st.text("{}ab|urljson", max_size=30))
def test_a_template_is_taken_or_refused(text: str) -> None:
    try:
        pieces = template_of(Recipe("z", "text", text=text))
    except UsageError:
        return
    written = sum(len(piece) if isinstance(piece, str) else len("".join(piece)) + 2 for piece in pieces)
    assert written <= len(text)


def test_only_what_is_made_at_random_cannot_be_known() -> None:
    recipes = check_recipes(
        [
            *(Recipe("a", "hex"), Recipe("b", "fixed", text="x"), Recipe("c", "ed25519")),
            *(Recipe("d", "text", text="{b}"), Recipe("e", "text", text="{b}{a}")),
        ]
    )
    assert unknowable_keys(recipes) == {"a", "c", "e"}


@pytest.mark.parametrize("text", ["hunter2", "hunter2:x", "hunter2:12"])
def test_what_may_be_a_value_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_recipes([Recipe.parse("a", text)])
    assert "hunter2" not in f"{caught.value}{caught.value.fix}"


def generation(*recipes: tuple[str, str, int], **fields: object) -> upload_pb2.UploadRequest:
    message = upload_pb2.UploadRequest()
    message.ParseFromString(a_request().content)
    message.purpose = upload_pb2.PURPOSE_GENERATE
    for key, kind, size in recipes:
        message.recipes.add(key=key, kind=kind, size=size, text="{a}" if kind == "text" else "")
    for name, value in fields.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    "message",
    [
        generation(),
        generation(("b", "hex", 0), ("a", "hex", 0)),
        generation(("a", "hex", 0), ("a", "hex", 0)),
        generation(("a", "dsa", 0)),
        generation(("a", "hex", 7)),
        generation(("a", "text", 0)),
        generation(("a", "fixed", 0)),
        generation(("..a", "hex", 0)),
        generation(("a", "hex", 0), purpose=upload_pb2.PURPOSE_UPLOAD),
        generation(("a", "hex", 0), purpose=upload_pb2.PURPOSE_DELETE),
    ],
)
def test_a_request_with_other_recipes_is_malformed(message: upload_pb2.UploadRequest) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_request(serialise(message))
    assert caught.value.field == "recipes"


def test_a_generation_may_expect_what_an_upload_may_and_carry_its_notes_and_options() -> None:
    for expect in (upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_ABSENT, upload_pb2.EXPECT_OVERWRITE):
        content = serialise(generation(("a", "hex", 0), expect=expect, expires_on="2027-01-31", other="{}"))
        request = parse_request(content)
        assert request.recipes == (Recipe("a", "hex"),)
        assert not request.rules.seals
    with pytest.raises(MalformedError) as caught:
        parse_request(serialise(generation(("a", "hex", 0), expect=upload_pb2.EXPECT_UNSPECIFIED)))
    assert caught.value.field == "expect"
    with pytest.raises(MalformedError) as caught:
        parse_request(serialise(generation(("a", "hex", 0), destroy=True)))
    assert caught.value.field == "destroy"
