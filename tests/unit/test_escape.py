"""Text of others is shown so that nothing in it steers a terminal or hides, and programs get back what it was."""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monoskope.monoctl.output.formats import yaml_text
from monoskope.text import escape, json_text
from tests.support.steering import STEERING

EVERYTHING = st.text(st.characters())
NO_SURROGATES = st.text(st.characters(exclude_categories=["Cs"]))


def test_no_character_of_unicode_gets_through_that_could_steer_a_terminal() -> None:
    for first in range(0, sys.maxunicode + 1, 4_096):
        shown = escape("".join(map(chr, range(first, first + 4_096))))
        assert shown.isprintable()
        assert not STEERING & set(shown)
    for character in STEERING:
        assert escape(character).endswith(f"{ord(character):04x}")


@given(EVERYTHING)
def test_what_is_escaped_holds_no_control_and_escaping_it_again_changes_nothing(text: str) -> None:
    shown = escape(text)
    assert not STEERING & set(shown)
    assert escape(shown) == shown
    if text.isprintable() and not STEERING & set(text):
        assert shown == text


def test_what_people_write_stays_as_it_is() -> None:
    assert escape("straße, naïve: ok ☺ \\u202e") == "straße, naïve: ok ☺ \\u202e"
    assert escape("Käse 한글 漢字 ⠿") == "Käse 한글 漢字 ⠿"
    assert escape("a\u3164\u2800\ufe0fb\U000e0101") == "a\\u3164\\u2800\\ufe0fb\\U000e0101"
    assert escape("a\x9b2J\u202e\U000e0001\udc80") == "a\\u009b2J\\u202e\\U000e0001\\udc80"


@pytest.mark.parametrize("indent", [None, 2])
@given(text=NO_SURROGATES)
def test_json_holds_no_control_and_parses_to_the_same(indent: int | None, text: str) -> None:
    document = {"outer": [{text: text}], text: [text]}
    written = json_text(document, indent=indent)
    assert not STEERING & set(written) - {"\n"}
    assert json.loads(written) == document


@given(NO_SURROGATES)
def test_yaml_holds_no_control_and_parses_to_the_same(text: str) -> None:
    document = {"outer": [{text: text}], "text": text, text + "x": {"y": text}}
    written = yaml_text(document)
    assert not STEERING & set(written) - {"\n"}
    assert yaml.safe_load(written) == document


@pytest.mark.parametrize("code", [0xD800, 0xDC80, 0xDFFF])
def test_lone_surrogates_come_back_too(code: int) -> None:
    assert json.loads(json_text([chr(code)])) == [chr(code)]
    assert yaml.safe_load(yaml_text([chr(code)])) == [chr(code)]
