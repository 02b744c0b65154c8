"""Wire the parts of a reactor, run it, and shut it down."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

from monoskope import operating_log, start
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.operations import OPERATIONS_FILE, announced_in, listening
from monoskope.ownership import check_folder
from monoskope.protocol.events import ReactorEvent
from monoskope.protocol.grant import REPLICA_BYTES
from monoskope.reactor.admission import Admission, SignatureGate
from monoskope.reactor.dispatch import Dispatcher
from monoskope.reactor.grant import Granter
from monoskope.reactor.guarded_driver import GuardedDriver
from monoskope.reactor.health import Health, Resources
from monoskope.reactor.identity import fingerprint, store_identity
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import KeyRules, OneTimeKeys
from monoskope.reactor.limits import Rates
from monoskope.reactor.link.appends import Appends
from monoskope.reactor.link.endpoint import Dialled, Endpoint, announced
from monoskope.reactor.link.link import Dial, dial, trust
from monoskope.reactor.link.open_requests import OpenRequests
from monoskope.reactor.link.session import ReactorSession
from monoskope.reactor.memory import Garbage, forget_stray_exceptions
from monoskope.reactor.operations import Endpoints
from monoskope.reactor.report.audit_log import FILE as AUDIT_FILE
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.reactor.report.reporter import ReactorMeters, Reporter
from monoskope.reactor.settings import SETTINGS_FILE, ReactorSettings, read
from monoskope.reactor.signers import Signers
from monoskope.reactor.timings import Clock, Timings
from monoskope.reactor.upstream.content import Upstream
from monoskope.reactor.upstream.first_look import FirstLooks
from monoskope.reactor.work.copy_secret import Copier
from monoskope.reactor.work.handle import Handler
from monoskope.reactor.work.lookup import Lookup
from monoskope.reactor.work.recover import Peers, Presence, Recovery
from monoskope.reactor.work.write import Writer
from monoskope.settings import check_closed
from monoskope.stores.driver import StoreDriver


class Reactor:
    """One process of a store's reactor, wired and not yet running.

    Args:
        settings: Its settings.
        driver: The engine, open.
        identity: The store's.
        fingerprint_key: K.
        audit: The open audit log.
        timings: All spans of time.
        link: Makes the link to m8.

    Raises:
        UsageError: the driver says more of its engine than a reactor may announce, or a list of `[signers]` is bad, or
            it serves accounts without signatures, or approvals are asked for an engine that cannot replace exactly one
            version.
        RefusedError: others may write to such a list.
    """

    def __init__(
        self,
        settings: ReactorSettings,
        driver: StoreDriver,
        identity: Identity,
        fingerprint_key: FingerprintKey,
        audit: AuditFile,
        *,
        timings: Timings | None = None,
        link: Dial = dial,
    ) -> None:
        self.replica = secrets.token_bytes(REPLICA_BYTES)
        self.timings = timings or settings.timings
        self.garbage = Garbage()
        self.meters = ReactorMeters()
        driver = GuardedDriver(driver, self.garbage, within_s=self.timings.write_window)
        self.appends = Appends(retry_s=self.timings.append_retry, recorded=self._recorded)
        signers = (
            None
            if settings.signers is None
            else Signers.load(settings.signers, folder=settings.folder, store=settings.store, identity=identity.shown)
        )
        settings.check_accounts()
        _check_approvable(settings, driver)
        self.gate = SignatureGate(signers, audit)
        self.resources = Resources(audit)
        self.health = Health(driver, self.timings, troubles=self.gate.troubles, resources=self.resources)
        self.dispatcher = self._wired(settings, driver, identity, fingerprint_key, audit)
        self._announced(settings, driver)  # What m8 would refuse is found before the process serves.
        endpoint = Endpoint(
            servers=settings.servers,
            ca_file=settings.ca_file,
            identity=identity,
            replica=self.replica,
            fingerprint_key_id=fingerprint_key.key_id,
            type=driver.kind,
            announced=lambda: self._announced(settings, driver),
        )
        self.session = ReactorSession(
            endpoint, self.appends, self.dispatcher, self.timings, health=self.health, link=link
        )

        self.endpoints = Endpoints(
            settings.store,
            self.dispatcher,
            self.health,
            self.gate,
            lambda: self.session.is_attached,
            Dialled(lambda: self.session.server, settings.ca_file),
            self.meters,
            self.resources,
        )

    def _announced(self, settings: ReactorSettings, driver: StoreDriver) -> events_pb2.StoreCapabilities:
        """Return what m8 learns at a login. Raises `UsageError`."""
        signers = self.gate.signers
        return announced(
            dataclasses.replace(driver.capabilities, max_plaintext=_largest(settings, driver)),
            experimental=driver.maturity == "experimental",
            copies_to=[rule.to for rule in settings.copies],
            signatures=signers is not None,
            approvals=0 if settings.signers is None else settings.signers.most_approvals,
            signers_sha256=b"" if signers is None else bytes.fromhex(signers.state().lists.rules),
        )

    def _wired(
        self, settings: ReactorSettings, driver: StoreDriver, identity: Identity, key: FingerprintKey, audit: AuditFile
    ) -> Dispatcher:
        clock = Clock()
        requests = OpenRequests()
        known = KnownReceipts(identity, lifetime_s=settings.limits.lifetime_s, now=clock)
        reporter = Reporter(identity, self.appends, requests, known, audit, self.health, meters=self.meters)
        upstream = Upstream(driver, key, known, Peers(requests, identity, self.replica).write)
        lookup = Lookup(driver, key, self.timings, self.replica)
        rules = KeyRules(
            replica=self.replica,
            lifetime_s=settings.limits.lifetime_s,
            max_plaintext=_largest(settings, driver),
            fingerprint_key_id=key.key_id,
            alive=settings.limits.keys_alive,
            requires_signature=self.gate.requires,
            approvals=self.gate.asks,
        )
        looks = FirstLooks(upstream, within_s=self.timings.young, now=clock)
        keys = OneTimeKeys(identity, rules, now=clock)
        rates = Rates(settings.limits, refused=self.meters.puts_refused.inc)
        return Dispatcher(
            requests=requests,
            known=known,
            keys=keys,
            appends=self.appends,
            granter=Granter(
                Admission(settings, driver, rates, self.gate, known),
                keys,
                looks,
                self.appends,
                audit,
                self.meters,
                resources=self.resources,
                requests=requests,
            ),
            handler=Handler(
                keys=keys,
                upstream=upstream,
                writer=Writer(upstream, lookup, self.timings, now=clock),
                copier=Copier(
                    settings=settings,
                    upstream=upstream,
                    tokens=self.appends.tokens,
                    begin_s=self.timings.young,
                    now=clock,
                ),
                reporter=reporter,
                rates=rates,
                gate=self.gate,
                rules=settings.rules,
                now=clock,
            ),
            recovery=Recovery(identity, self.replica, Presence(), lookup, reporter, self.timings),
            reporter=reporter,
            gate=self.gate,
            garbage=self.garbage,
        )

    def _recorded(self, request_id: bytes, version: int, event: ReactorEvent) -> None:
        self.dispatcher.recorded(request_id, version, event)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; then take no new request, finish the others, and end the session cleanly."""
        serving = asyncio.create_task(self.session.run())
        ticking = asyncio.create_task(self._ticking())
        looking = asyncio.create_task(self.health.run())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({serving, ticking, looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            await self.dispatcher.drain(self.timings.drain)
            self.session.stop()
            await asyncio.wait({serving}, timeout=self.timings.connect)
        finally:
            for task in (ticking, looking, stopping, serving):
                task.cancel()
            results = await asyncio.gather(serving, ticking, looking, stopping, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _ticking(self) -> None:
        while True:
            await asyncio.sleep(self.timings.tick)
            self.resources.trouble()
            self.dispatcher.tick()


async def run(folder: Path, *, warnings: Sequence[str] = ()) -> None:
    """Run the reactor whose settings and state are in `folder` until SIGTERM or SIGINT.

    Args:
        folder: Where they are.
        warnings: Sentences about this process; they are logged first.

    Raises:
        Error: settings, identity, fingerprint key or engine are not as they must be; says which, and the fix.
    """
    settings = read(folder)
    check_closed(folder)
    check_folder(folder, *(folder / name for name in (SETTINGS_FILE, store_identity.KEY_FILE, fingerprint.KEY_FILE)))
    trust(settings.ca_file)
    identity, key = Identity.load(folder, store=settings.store), FingerprintKey.load(folder)
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with (
        operating_log.written_to(settings.log_file) as reopen,
        operating_log.reopened_on_hangup(reopen, settings.log_file),
        operating_log.traced("m8-reactor", os.environ) as untraced,
        contextlib.closing(AuditFile(folder / AUDIT_FILE)) as audit,
    ):
        forget_stray_exceptions(loop)
        for sentence in (*warnings, *untraced):
            operating_log.get().warning("hardening", message=sentence)
        driver = await settings.driver.open(settings.engine, state_dir=folder)
        try:
            reactor = Reactor(settings, driver, identity, key, audit)
            operating_log.get().info(
                "reactor starts",
                store=settings.store,
                server=",".join(settings.servers),
                replica=reactor.replica.hex(),
                identity=identity.shown,
                fingerprint_key_id=key.key_id,
                type=driver.kind,
            )
            start.spare_what_is_here()
            async with listening(settings.operations_listen, reactor.endpoints.handlers) as operations:
                with announced_in(folder / OPERATIONS_FILE, operations):
                    await reactor.run(stop)
        finally:
            await driver.close()
        operating_log.get().info("reactor stopped", store=settings.store)


def _largest(settings: ReactorSettings, driver: StoreDriver) -> int:
    """The largest padded plaintext in bytes: what grants allow, and what m8 and clients are told beforehand."""
    return min(settings.limits.max_plaintext, driver.capabilities.max_plaintext)


def _check_approvable(settings: ReactorSettings, driver: StoreDriver) -> None:
    """Raise `UsageError` if approvals are asked where nothing can be held to the version that approvers saw."""
    asks = settings.signers is not None and settings.signers.most_approvals
    if asks and not driver.capabilities.check_and_set:
        raise UsageError(
            "this engine cannot replace exactly one version, so nobody can approve what is written to it.",
            fix="Use an engine with check-and-set, or ask for no `approvals` in [[signers.may]].",
        )
