"""A log goes from SQLite to PostgreSQL and back through backups, and is the same log, byte for byte."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.secrets.v1 import events_pb2
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.backup.form import named
from monoskope.m8.domain.events import write
from monoskope.m8.domain.principal import Principal
from monoskope.m8.init import lay_out
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.log.opening import Place, find_id, open_log
from monoskope.m8.readmodels import changes, documents, secrets, stores, uploads
from monoskope.m8.readmodels.uploads import USAGE
from monoskope.m8.service.app import App
from monoskope.testing.engines.postgres import Postgres
from monoskope.testing.logs import some_time
from tests.support.changes import APPROVE, PROPOSE, a_change, approve, propose
from tests.support.checkpoints import cosigned, keys_in, signing
from tests.support.m8_user import Sealed
from tests.support.m8_world import a_world
from tests.support.programs import Ended, m8
from tests.support.vectors import a_request

COLLECTIONS = (
    *(documents.HISTORY, secrets.SECRETS, secrets.VERSIONS, secrets.REPLACEMENTS, USAGE),
    *(stores.STORES, stores.DEFAULT_STORE, stores.FINGERPRINT_KEY, documents.TOKENS, documents.REVOCATIONS),
    *(uploads.OPEN_UPLOADS, uploads.ENDED, uploads.OPEN_COUNTS),
    *(changes.CHANGES, changes.KEYS, changes.OPEN_OF),
)
SEALED = Sealed()
RIGHTS: dict[str, Message] = {
    "issuer/corp": events_pb2.IssuerRegistered(name="corp", issuer="https://login.example.com"),
    "member/anna": events_pb2.MemberRegistered(member="user:corp:anna", issuer_subject="1"),
    "token/1": events_pb2.TokenIssued(
        id="1",
        member="user:corp:anna",
        issuer="https://login.example.com",
        issuer_subject="1",
        groups=["group:corp:ops"],
    ),
}
"""What an exchange records."""


async def lived(folder: Path) -> None:
    """A log with all events of rights, a store, a secret that was put, a put under way and an approved change."""
    async with a_world(folder) as world:
        root = world.administrator()
        await root.bind("roots", "group:corp:ops", role=events_pb2.ROLE_ADMINISTRATOR)
        await root.bind("gone", "user:corp:anna", role=events_pb2.ROLE_AUDITOR)
        await root.unbind("gone")
        for stream, event in RIGHTS.items():
            await world.app.log.append(stream, 0, [write(event)], actor="m8")
        user, reactor = world.user("anna", "vault://app"), await world.attached()
        change = a_change(world, uri="vault://app/changed")
        await propose(world.user("bob", "vault://app", rights=PROPOSE), change)
        await approve(world.user("ben", "vault://app", rights=APPROVE), change)
        for number in range(2):
            request = a_request(request_id=bytes([number]) * 16)
            await user.ask(request)
            _, grant = await reactor.give_key()
            if number == 0:
                await asyncio.gather(user.send(request.request_id, SEALED), reactor.write(grant))
        if not (folder / "log.key").exists():
            keys_in(folder)
        await signing(world.app, folder).round()
        signed = await world.app.log.checkpoint(1)
        assert signed is not None
        await world.app.log.keep_cosignatures(1, signed.size, [cosigned(signed.note)])


async def content(place: Place) -> dict[str, object]:
    """Everything that is in a log but heartbeats."""
    log: EventLog = await open_log(place, clock=some_time, projector=documents.project)
    try:
        found: dict[str, object] = {name: await log.scan(name, limit=10_000) for name in COLLECTIONS}
        found["events"] = events = await log.read(after=0, limit=10_000)
        found["sealed"] = [await log.sealed(digest) for digest in named(events)]
        found["names"] = await log.names()
        found["checkpoints"] = await log.checkpoints(1, after=0, limit=10_000)
        assert found["names"]
        assert found["checkpoints"]
        found["checked"] = await log.check_chain()
        found["id"] = await find_id(place)
        return found
    finally:
        await log.close()


class Mover:
    """An operator with one PostgreSQL."""

    def __init__(self, home: Path, postgres: Postgres) -> None:
        self.home = home
        self.postgres = postgres
        (home / "password").write_text(postgres.password)
        (home / "password").chmod(0o600)
        self.options = ("--database-password-file", "password", "--database-ca", str(postgres.ca_file))

    def url(self, database: str) -> str:
        return f"postgresql://m8@127.0.0.1:{self.postgres.port}/{database}"

    def place(self, database: str) -> Place:
        return Place(Path(), self.postgres.target(database))

    def done(self, *arguments: str, code: int = 0) -> Ended:
        ended = m8(*arguments, home=self.home, code=code)
        assert self.postgres.password not in ended.stdout + ended.stderr
        return ended

    def moved(self, folder: str, into: str, *options: str) -> str:
        """What a move of the folder's log says at its end."""
        if not (self.home / "identity").exists():
            (self.home / "recipient").write_text(self.done("backup", "key", "identity").stdout)
        (self.home / "moved.age").unlink(missing_ok=True)
        self.done("backup", "create", "moved.age", "--dir", folder, "--recipients-file", "recipient")
        restore = ("backup", "restore", "moved.age", "--dir", folder, "--identity", "identity", "--into", into)
        return self.done(*restore, *options).stdout

    def folder(self, name: str, database: str = "") -> Path:
        lay_out(folder=self.home / name, listen=HostPort("127.0.0.1", 0))
        toml = self.home / name / "m8.toml"
        lines = {"database": self.url(database), "database_password_file": str(self.home / "password")}
        lines["database_ca"] = str(self.postgres.ca_file)
        if database:
            toml.write_text(toml.read_text() + "".join(f'{key} = "{value}"\n' for key, value in lines.items()))
        return self.home / name


@pytest.fixture
def mover(tmp_path: Path, postgres: Postgres) -> Mover:
    return Mover(tmp_path, postgres)


def test_a_log_moves_to_postgresql_and_back(mover: Mover, postgres: Postgres) -> None:
    """It stays the same log for folder, witnesses and clients: nothing is accepted, adopted or renewed."""
    one = mover.folder("one")
    asyncio.run(lived(one))
    before = asyncio.run(content(Place(one / "log.db")))
    assert len(before["events"]) > 9  # type: ignore[arg-type]
    assert any(before["sealed"]), "there is something to lose"  # type: ignore[arg-type]
    assert [body for _, body in before["secrets"]], "and documents"  # type: ignore[attr-defined]
    types = {event.type for event in before["events"]}  # type: ignore[attr-defined]
    assert {"RoleBindingCreated", "RoleBindingDeleted", "TokenIssued", "MemberRegistered"} <= types
    signed = (one / "log.checkpoint").read_bytes()
    database = postgres.create_database()
    assert f'database = "{mover.url(database)}"' in mover.moved("one", mover.url(database), *mover.options)
    assert asyncio.run(content(mover.place(database))) == before
    toml = one / "m8.toml"
    old = toml.read_text()
    toml.write_text(
        f'{old}database = "{mover.url(database)}"\ndatabase_password_file = "{mover.home}/password"\n'
        f'database_ca = "{postgres.ca_file}"\n'
    )
    assert f"holds: {before['checked']} events" in mover.done("events", "--dir", "one", "verify").stdout
    assert "trouble: none" in mover.done("log", "status", "--dir", "one").stdout
    assert "take the lines that begin with `database`" in mover.moved("one", "sqlite:back.db")
    assert asyncio.run(content(Place(mover.home / "back.db"))) == before
    # Never over what is there.
    options = ("--identity", "identity", "--into", "sqlite:back.db")
    refused = mover.done("backup", "restore", "moved.age", "--dir", "one", *options, code=ExitCode.CONFLICT)
    assert "events of its own" in refused.stderr
    (mover.home / "back.db").replace(one / "log.db")
    toml.write_text(old)
    assert f"holds: {before['checked']} events" in mover.done("events", "--dir", "one", "verify").stdout
    asyncio.run(goes_on(one))
    assert (one / "log.checkpoint").read_bytes() != signed
    assert "renewed: never" in mover.done("log", "status", "--dir", "one").stdout


async def goes_on(folder: Path) -> None:
    """The keys of before sign the next checkpoint of the log, which continues the last one."""

    async def nobody(_token: str) -> Principal:
        raise AssertionError

    place = Place(folder / "log.db", id_file=folder / "log-id")
    log = await open_log(place, clock=some_time, projector=documents.project)
    app = App(log=log, authenticate=nobody, names=(), clock=lambda: 2**45, audience="m8", version="1")
    before = await log.checkpoint(1)
    await log.append("token/2", 0, [write(events_pb2.TokenIssued(id="2"))], actor="m8")
    await signing(app, folder).round()
    after = await log.checkpoint(1)
    await log.close()
    assert before is not None
    assert after is not None
    assert before.size < after.size


def test_a_backup_that_ends_before_the_log_in_use_does_not_move_it(mover: Mover) -> None:
    mover.folder("one")
    recipient = mover.done("backup", "key", "identity").stdout.strip()
    create = ("token", "create", "--dir", "one", "--role", "administrator", "--subject")
    mover.done(*create, "anna")
    mover.done("backup", "create", "old.age", "--dir", "one", "--recipient", recipient)
    mover.done(*create, "bob")
    options = ("--identity", "identity", "--into", "sqlite:moved.db")
    refused = mover.done("backup", "restore", "old.age", "--dir", "one", *options, code=ExitCode.CONFLICT)
    assert "does not end where the log in use ends" in refused.stderr
    assert not (mover.home / "moved.db").exists()


def test_a_backup_of_one_engine_is_restored_into_the_other(mover: Mover, postgres: Postgres) -> None:
    one = mover.folder("one")
    asyncio.run(lived(one))
    before = asyncio.run(content(Place(one / "log.db")))
    recipient = mover.done("backup", "key", "identity").stdout.strip()
    mover.done("backup", "create", "sqlite.age", "--dir", "one", "--recipient", recipient)
    database = postgres.create_database()
    two = mover.folder("two", database)
    mover.done("backup", "restore", "sqlite.age", "--dir", "two", "--identity", "identity")
    assert asyncio.run(content(mover.place(database))) == before
    assert mover.done("events", "--dir", "two", "verify").stdout.startswith("The log holds")
    assert (two / "noted-position").exists()
    mover.done("backup", "create", "postgres.age", "--dir", "two", "--recipient", recipient)
    assert "on postgresql" in mover.done("backup", "verify", "postgres.age", "--identity", "identity").stdout
    compared = ("--compare-with", mover.url(database), *mover.options)
    mover.folder("three")
    told = mover.done("backup", "restore", "postgres.age", "--dir", "three", "--identity", "identity", *compared)
    assert "had 0 more events" in told.stdout
    assert asyncio.run(content(Place(mover.home / "three" / "log.db"))) == before


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("log.db", "in a form that m8 knows"),
        ("sqlite:", "in a form that m8 knows"),
        ("mysql://m8@db/m8", "in a form that m8 knows"),
        ("postgresql://m8:hunter2@db/m8", "holds a password"),
        ("sqlite:one/log.db", "is the log in use"),
    ],
)
def test_a_place_that_is_none_is_refused(mover: Mover, place: str, said: str) -> None:
    mover.folder("one")
    options = ("--identity", "identity", "--into", place)
    ended = mover.done("backup", "restore", "none.age", "--dir", "one", *options, code=ExitCode.USAGE)
    assert said in ended.stderr
    assert "hunter2" not in ended.stderr
