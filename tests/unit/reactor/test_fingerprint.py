"""Fingerprints against the published vectors, and what they must not depend on."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import Error, UsageError
from monoskope.reactor.identity.fingerprint import FingerprintKey, new_key

VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors.json").read_text())
KEY = FingerprintKey(bytes.fromhex(VECTORS["key_K"]))
SECRETS = st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=40), min_size=1, max_size=6)


def test_the_key_id_is_the_published_one() -> None:
    assert KEY.key_id == VECTORS["key_id"]


@pytest.mark.parametrize("vector", VECTORS["fingerprints"])
def test_fingerprints_are_the_published_ones(vector: dict[str, object]) -> None:
    texts = vector["secret"]
    assert isinstance(texts, dict)
    found = KEY.fingerprints({key: base64.b64decode(value) for key, value in texts.items()})
    assert found.whole == vector["whole"]
    assert dict(found.values) == vector["values"]
    assert [key for key, _ in found.values] == sorted(texts)


def test_the_write_intent_is_the_published_one() -> None:
    vector = VECTORS["write_intent"]
    intent = KEY.intent(bytes.fromhex(vector["write_tag"]), bytes.fromhex(vector["whole"]))
    assert intent.hex() == vector["intent"]


@given(SECRETS)
def test_the_order_of_keys_does_not_matter(secret: dict[str, bytes]) -> None:
    assert KEY.fingerprints(secret) == KEY.fingerprints(dict(reversed(secret.items())))
    assert KEY.shown(KEY.whole(secret)) == KEY.fingerprints(secret).whole


@given(SECRETS, SECRETS)
def test_different_secrets_and_keys_give_different_fingerprints(one: dict[str, bytes], two: dict[str, bytes]) -> None:
    assert (KEY.fingerprints(one) == KEY.fingerprints(two)) == (one == two)
    assert FingerprintKey(bytes(32)).whole(one) != KEY.whole(one)


@given(SECRETS, st.binary(max_size=10))
def test_one_key_can_change_knowing_no_other_value(secret: dict[str, bytes], value: bytes) -> None:
    values = {key: KEY.value(key, secret[key]) for key in secret}
    changed = min(secret)
    values[changed] = KEY.value(changed, value)
    assert KEY.whole_of(values) == KEY.whole({**secret, changed: value})


def test_the_key_is_shown_by_its_id_alone(tmp_path: Path) -> None:
    key = new_key()
    held = FingerprintKey(key)
    assert key.hex() not in repr(held)
    assert repr(key) not in repr(held)
    for leave in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            leave(held)
    (tmp_path / "fingerprint.key").write_bytes(key)
    (tmp_path / "fingerprint.key").chmod(0o644)
    with pytest.raises(Error):
        FingerprintKey.load(tmp_path)
    (tmp_path / "fingerprint.key").chmod(0o600)
    assert FingerprintKey.load(tmp_path).key_id == held.key_id


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(UsageError):
        FingerprintKey(bytes(size))
