"""The only place where the parts of m8 are put together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from importlib import metadata

import msgspec

from monoskope import operating_log, start
from monoskope.errors import Error
from monoskope.m8.audit.auditing import auditing
from monoskope.m8.background.checkpoint_task import CheckpointTask
from monoskope.m8.background.leased import Leased
from monoskope.m8.background.presence import Note, present
from monoskope.m8.background.schedules import LEASE, LEASE_S, Retention
from monoskope.m8.background.watches import CertificateWatch, PositionNote, ReserveWatch
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.http.pages import Published
from monoskope.m8.http.presented import PresentedCertificate
from monoskope.m8.http.server import build_http, require_free, running
from monoskope.m8.issuers.discovery import Discovery
from monoskope.m8.issuers.keys import IssuerKeys
from monoskope.m8.issuers.verifying import Issuers
from monoskope.m8.limits.settings import open_files
from monoskope.m8.log.folder import remembered
from monoskope.m8.log.sqlite.disk import Reserve
from monoskope.m8.metrics import Meters
from monoskope.m8.notices.noticing import noticing, summary
from monoskope.m8.opened import open_tokens, opened_log
from monoskope.m8.operations import Endpoints
from monoskope.m8.service.app import App
from monoskope.m8.settings import ServerSettings
from monoskope.m8.tree.witnesses import asked
from monoskope.operations import OPERATIONS_FILE, announced_in, listening
from monoskope.times import wall_clock


def version() -> str:
    """Return the version of m8 that is installed."""
    return metadata.version("monoskope")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that takes calls.

    Attributes:
        address: `host:port` where it listens, with the bound port.
        app: What its services answer from.
        tokens: Its credentials.
        operations: Where its listener of operations answers, "" without one.
    """

    address: str
    app: App
    tokens: Tokens
    operations: str = ""


@contextlib.asynccontextmanager
async def build(settings: ServerSettings) -> AsyncIterator[Running]:
    """Serve as long as the block runs; several processes may serve one event log.

    Raises:
        UsageError, RefusedError: a file of the folder is missing, wrong or too open, or the process may open too few.
        UnavailableError: the address is taken, or the event log fails.
    """
    file, presented = settings.file, PresentedCertificate(settings)
    connections, each = file.limits.within(open_files())
    require_free(settings.listen)
    meters = Meters()
    async with (
        opened_log(settings, measured=meters.wrote) as event_log,
        asked(settings.witnesses, settings.folder, wall_clock) as witnesses,
    ):
        tokens = open_tokens(settings, event_log)
        app = App(
            log=event_log,
            authenticate=tokens.authenticate,
            names=(),
            clock=wall_clock,
            audience=file.audience,
            version=version(),
            tokens=tokens,
            issuers=known_issuers(settings),
            certificate_expires_at_ms=lambda: presented.expires_at_ms,
            meters=meters,
            limits=replace(
                file.timings.limits,
                connections=connections,
                connections_each=each,
                handshakes=file.limits.handshakes,
                handshakes_each=file.limits.handshakes_per_address,
                failed_logins=file.limits.failed_logins,
                failed_logins_each=file.limits.failed_logins_per_address,
                open_per_user=file.open_requests_per_user,
                open_changes_per_user=file.open_changes_per_user,
                recorded_bytes_per_user_per_day=file.recorded_bytes_per_user_per_day,
                puts_per_hour_per_user=file.puts_per_hour_per_user,
                puts_per_hour_of=file.puts_per_hour_of,
                secrets_per_user=file.secrets_per_user,
                verify_every_s=file.verify_every_hours * 3_600,
                not_ready_s=file.not_ready_s,
                drain_s=file.drain_s,
            ),
        )
        certificate_watch = CertificateWatch(app, presented)
        position_note = PositionNote(event_log, settings.folder)
        await position_note.compare()
        app.witnessed.cosigners = witnesses
        checkpoints = CheckpointTask(app, settings.folder, every_s=file.log.checkpoint_every_s)
        watches = [certificate_watch.run, position_note.run, checkpoints.run]
        endpoints = Endpoints(app)
        if settings.database is None:  # the disk of a database is its administrator's
            reserve = Reserve(settings.event_log)
            watches.append(ReserveWatch(reserve.make).run)
            endpoints = Endpoints(app, has_reserve=lambda: reserve.is_made)
        if file.erase_sealed_after_days:
            retention = Retention(app, file.erase_sealed_after_days)
            watches.append(Leased(app, LEASE, retention.run, ttl_s=LEASE_S).run)
        published = Published(settings.folder / file.bundle if file.bundle else None)
        door = await build_http(
            app,
            endpoints,
            presented.context(),
            listen=settings.listen,
            origins=settings.origins,
            published=published,
        )
        address = str(settings.listen.at(door.port))
        app.names = settings.names_at(door.port)
        async with contextlib.AsyncExitStack() as bound:
            # It may never have been started, and its event loop goes on.
            bound.push_async_callback(door.stop, 0.0)
            published.check(app.names)
            async with (
                present(app, announced(settings, tokens, address, app.names)) as presence,
                auditing(app, settings.audit, log_id=remembered(settings.log_id)) as audits,
                noticing(app, settings.notices, log_id=remembered(settings.log_id)) as notices,
                # Around the server, so that it can be seen that m8 stops taking calls.
                listening(settings.operations_listen, endpoints.handlers) as operations,
                running(app, door, presence.run(), *(work() for work in (*watches, *audits, *notices))),
            ):
                yield Running(address, app, tokens, operations)


def known_issuers(settings: ServerSettings) -> Issuers:
    """Return the issuers whose tokens are exchanged. None is asked for its keys before there is a token of it.

    Raises:
        UsageError: a file that the settings of one name is missing, or holds something else.
    """
    entries = []
    for issuer in settings.issuers:
        discovery = Discovery(issuer)
        discovery.check()
        entries.append((issuer, IssuerKeys(discovery.read, discovery.source)))
    return Issuers(entries)


_TOLD = (
    "audience",
    "open_requests_per_user",
    "open_changes_per_user",
    "recorded_bytes_per_user_per_day",
    "puts_per_hour_per_user",
    "secrets_per_user",
    "verify_every_hours",
    "erase_sealed_after_days",
)


def announced(settings: ServerSettings, tokens: Tokens, address: str, names: Collection[str]) -> Note:
    """Return what this process says of itself to those that serve the same log."""
    file = settings.file
    told = {name: str(getattr(file, name)) for name in _TOLD}
    timings = {f"timings.{name}": f"{value:g}" for name, value in msgspec.structs.asdict(file.timings).items()}
    return Note(
        version=version(),
        started_ms=wall_clock(),
        host=socket.gethostname(),
        address=address,
        names=tuple(names),
        settings={
            **told,
            "issuers": ",".join(f"{issuer.name}:{issuer.digest}" for issuer in settings.issuers),
            "signing_key": tokens.key_fingerprint,
            "puts_per_hour_of": ",".join(f"{who}={most}" for who, most in sorted(file.puts_per_hour_of.items())),
            "witnesses": "" if settings.witnesses is None else settings.witnesses.digest,
            "notices": summary(settings.notices),
            "log.checkpoint_every_s": f"{file.log.checkpoint_every_s:g}",
            **timings,
        },
    )


async def serve(settings: ServerSettings, *, warnings: Sequence[str] = ()) -> None:
    """Run a server until SIGTERM or SIGINT. Until then `settings.address_file` holds its address.

    `warnings` become the first lines of its operating log.

    Raises:
        Error: it cannot start, or a part of it failed; as `build`.
    """
    with (
        operating_log.written_to(settings.log_file) as reopen,
        operating_log.reopened_on_hangup(reopen, settings.log_file),
        operating_log.traced("m8", os.environ) as untraced,
    ):
        for warning in (*warnings, *untraced):
            operating_log.get().warning(warning)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        try:
            await _serve_until(stop, settings)
        except BaseExceptionGroup as group:
            raise _cause(group) from None


async def _serve_until(stop: asyncio.Event, settings: ServerSettings) -> None:
    async with build(settings) as server:
        start.spare_what_is_here()
        with (
            announced_in(settings.folder / OPERATIONS_FILE, server.operations),
            announced_in(settings.address_file, server.address),
        ):
            log = operating_log.get()
            log.info("serving", address=server.address, version=server.app.version)
            await stop.wait()
            log.info("stopping", address=server.address)


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first `Error` in a group of failures; the group itself if it holds none."""
    for error in group.exceptions:
        found = _cause(error) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(found, Error):
            return found
    return group
