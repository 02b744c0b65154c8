"""A store's identity with its rotations, and its fingerprint key."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.errors import Error, RefusedError, UsageError
from monoskope.protocol.identity import ProofError, Tree, follow, open_rotation, open_signed
from monoskope.reactor.identity import store_identity
from monoskope.reactor.identity.fingerprint import FingerprintKey, new_key
from monoskope.reactor.identity.store_identity import Identity


def test_an_identity_is_made_once_and_is_private(tmp_path: Path) -> None:
    made = store_identity.make(tmp_path, store="vault")
    assert Identity.load(tmp_path, store="vault").shown == made.shown
    assert made.accepted == {made.shown}
    assert (tmp_path / "identity.key").read_bytes().hex() not in repr(made)
    with pytest.raises(UsageError):
        store_identity.make(tmp_path, store="vault")
    (tmp_path / "identity.key").chmod(0o640)
    with pytest.raises(RefusedError):
        Identity.load(tmp_path, store="vault")


def rotate(folder: Path) -> Identity:
    """Rotate, and finish it."""
    made = store_identity.rotate(folder, store="vault")
    (folder / "identity.key.former").unlink()
    return made


def test_what_it_signs_verifies_under_its_label_alone(tmp_path: Path) -> None:
    made = store_identity.make(tmp_path, store="vault")
    signed = made.sign(b"label", b"content")
    assert open_signed(signed, b"label", made.shown) == b"content"
    with pytest.raises(ProofError):
        open_signed(signed, b"other", made.shown)


def test_clients_follow_rotations_from_any_earlier_pin(tmp_path: Path) -> None:
    first = store_identity.make(tmp_path, store="vault")
    second, third = rotate(tmp_path), rotate(tmp_path)
    assert Identity.load(tmp_path, store="vault").shown == third.shown
    assert third.accepted == {first.shown, second.shown, third.shown}
    assert follow(first.shown, third.rotations, store="vault") == [second.shown, third.shown]
    assert follow(second.shown, third.rotations, store="vault") == [third.shown]


@pytest.mark.parametrize("proof_written", [False, True])
def test_a_rotation_ends_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, proof_written: bool) -> None:
    first = store_identity.make(tmp_path, store="vault")
    with monkeypatch.context() as patch:
        if proof_written:
            patch.setattr(Path, "replace", _crash_on_next(Path.replace))
        else:
            patch.setattr(store_identity, "_write_rotation", _crash)
        with pytest.raises(KeyboardInterrupt):
            store_identity.rotate(tmp_path, store="vault")
    if proof_written:
        with pytest.raises(UsageError) as refused:
            Identity.load(tmp_path, store="vault")
        assert "m8 reactor rotate-identity" in refused.value.fix
    second = store_identity.rotate(tmp_path, store="vault")
    assert follow(first.shown, second.rotations, store="vault") == [second.shown]
    assert not (tmp_path / "identity.key.next").exists()


def _crash(*_: object) -> None:
    raise KeyboardInterrupt


def _crash_on_next(real: object) -> object:
    def replace(path: Path, target: Path) -> Path:
        if path.name == "identity.key.next":
            raise KeyboardInterrupt
        assert callable(real)
        return Path(str(real(path, target)))

    return replace


def test_a_key_that_does_not_fit_its_rotations_is_neither_used_nor_rotated(tmp_path: Path) -> None:
    """An old key was restored beside newer rotations. Another step would spoil the chain and lose the key."""
    store_identity.make(tmp_path, store="vault")
    old = (tmp_path / "identity.key").read_bytes()
    store_identity.rotate(tmp_path, store="vault")
    (tmp_path / "identity.key").write_bytes(old)
    with pytest.raises(UsageError) as refused:
        store_identity.rotate(tmp_path, store="vault")
    assert "from one copy" in refused.value.fix
    assert (tmp_path / "identity.key").read_bytes() == old
    assert [path.name for path in (tmp_path / "rotations").iterdir()] == ["0001"]
    assert not (tmp_path / "identity.key.next").exists()


def test_a_rotation_keeps_the_former_key_and_is_finished_before_the_next(tmp_path: Path) -> None:
    store_identity.make(tmp_path, store="vault")
    old = (tmp_path / "identity.key").read_bytes()
    tree = Tree(7, bytes(32))
    first = store_identity.rotate(tmp_path, store="vault", tree=tree)
    assert (tmp_path / "identity.key.former").read_bytes() == old
    with pytest.raises(UsageError, match="not finished") as refused:
        store_identity.rotate(tmp_path, store="vault")
    assert "--finish" in refused.value.fix
    (tmp_path / "identity.key.former").unlink()
    second = store_identity.rotate(tmp_path, store="vault")
    one, two = (open_rotation(signed, store="vault") for signed in second.rotations)
    assert (one.tree, one.previous_sha256, one.new) == (tree, b"", first.shown)
    assert (two.tree, two.previous_sha256) == (None, sha256(second.rotations[0].content).digest())


def test_as_many_steps_as_a_chain_may_have_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_identity, "MAX_STEPS", 5)
    store_identity.make(tmp_path, store="vault")
    for _ in range(5):
        rotate(tmp_path)
    with pytest.raises(RefusedError):
        store_identity.rotate(tmp_path, store="vault")


def test_foreign_or_broken_steps_are_refused(tmp_path: Path) -> None:
    store_identity.make(tmp_path, store="vault")
    store_identity.rotate(tmp_path, store="vault")
    with pytest.raises(Error):
        Identity.load(tmp_path, store="other")
    (tmp_path / "rotations" / "0001").write_bytes(b"\xff")
    with pytest.raises(UsageError):
        Identity.load(tmp_path, store="vault")


def test_steps_that_form_no_chain_are_refused(tmp_path: Path) -> None:
    store_identity.make(tmp_path, store="vault")
    for _ in range(3):
        rotate(tmp_path)
    (tmp_path / "rotations" / "0002").unlink()
    with pytest.raises(ProofError):
        Identity.load(tmp_path, store="vault")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_and_a_fingerprint_key_have_32_bytes(size: int) -> None:
    for make in (lambda: Identity(bytes(size), store="vault"), lambda: FingerprintKey(bytes(size))):
        with pytest.raises(UsageError):
            make()


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
    assert (found.whole, dict(found.values)) == (vector["whole"], vector["values"])
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
