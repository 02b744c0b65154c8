"""A member puts, by real programs: role bindings alone say what it may do, and its name is in the proof."""

from __future__ import annotations

from monoskope.exit_codes import ExitCode
from tests.e2e.conftest import Team
from tests.e2e.ran import ok

VALUE = b"a value that a member puts: 77c1"


def test_a_member_puts_below_its_binding_until_that_is_deleted(patient: Team) -> None:
    administrator, user = patient.cluster.administrator, patient.user
    member, name = f"machine:local:{patient.name}", f"{patient.name}-ci"
    made = ok(administrator.monoctl("create", "token", member, "--ttl", "1h"))
    user.token_file.write_text(made.out)
    inside, outside = patient.uri("vault", "in/db"), patient.uri("vault", "out/db")
    assert patient.put(inside, value=VALUE).code == ExitCode.NOT_FOUND
    rights = ("--right", "put", "--right", "see-hash")
    prefix = patient.uri("vault", "in")
    ok(
        administrator.monoctl(
            "create", "role-binding", name, "--role", "user", "--member", member, "--prefix", prefix, *rights
        )
    )
    put = ok(patient.put(inside, value=VALUE))
    assert patient.put(outside, value=VALUE).code == ExitCode.NOT_FOUND
    assert {event["actor"] for event in patient.events(put)[:1]} == {member}
    shown = ok(user.monoctl("get", "secret", inside, "-o", "json")).json()
    assert (shown["subject"], shown["proven"]) == (member, True)
    ok(administrator.monoctl("delete", "role-binding", name))
    assert patient.put(inside, value=VALUE).code == ExitCode.NOT_FOUND
