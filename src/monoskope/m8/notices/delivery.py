"""Messages by e-mail and to a webhook.

A mail goes to one address, over TLS alone: one that stands in `m8.toml`, or the one for which the issuer of a member
who stands there vouches. Its head holds nothing that anybody else wrote.
What the mail server answers is told by its code alone: its text is a stranger's.

A mail whose text the server refuses for good would hold up all that follow. So it is sent with our own words alone.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import aiosmtplib

from monoskope import operating_log
from monoskope.errors import Error
from monoskope.event_loop import heeded
from monoskope.m8.audit.lines import DeliveryError
from monoskope.m8.audit.sinks import Form, Webhook
from monoskope.m8.notice_settings import MailServer, is_member
from monoskope.m8.notices.notice import Message
from monoskope.m8.sink_settings import WebhookTarget
from monoskope.settings import read_private
from monoskope.times import moment, rfc3339

TIMEOUT_S = 30.0
"""Seconds that one step of handing over a mail may take."""

CALLS = Form("m8/notices/v1", "Monoskope-Notices", "Id", "application/json")
"""How requests to a webhook look: the MAC covers the id and the time."""

_FIX = "Look into the mail server's log. m8 tries again, and leaves no notice out."


class _TextRefusedError(DeliveryError):
    """The mail server refuses what a mail says, and will not take it later."""


def mail(message: Message, lines: Sequence[str], *, sender: str, address: str) -> EmailMessage:
    """Return a message as a mail to `address` that says `lines`."""
    found = EmailMessage(policy=SMTP)
    found["From"] = sender
    found["To"] = address
    found["Subject"] = f"[m8] {message.title}"
    found["Date"] = format_datetime(moment(message.at_ms))
    found["Message-ID"] = f"<{message.id}@{sender.rpartition('@')[2]}>"
    found["Auto-Submitted"] = "auto-generated"
    found.set_content("\n".join([*lines, ""]), charset="us-ascii")
    return found


class _Connection(aiosmtplib.SMTP):
    """A connection to a mail server that ends at once: what the server took it has acknowledged by then."""

    def close(self) -> None:
        """End it. asyncio would keep it open until the server ends TLS, too, and one that is gone does not."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


class Mailbox:
    """One address, or the one of a member, by a mail server. No line that it logs has a member's address.

    Args:
        server: The mail server.
        whom: The address, or the member.
        address_of: Returns the vouched address of a member, "" for none.
        refused: Called for each message that the server took only in our own words.
    """

    def __init__(
        self,
        server: MailServer,
        whom: str,
        address_of: Callable[[str], Awaitable[str]],
        refused: Callable[[], None],
    ) -> None:
        self._server = server
        self._whom = whom
        self._address_of = address_of
        self._refused = refused

    async def deliver(self, message: Message) -> None:
        """Return when the mail server has taken the message, at least in our own words. Raises `DeliveryError`."""
        try:
            await self._deliver(message, message.lines)
        except _TextRefusedError as error:
            await self._deliver(message, message.own_words)
            self._refused()
            operating_log.get().error(
                "a notice was refused, and sent without its text",
                sink=self._whom,
                message=error.message,
                fix="Let the filter of that mail server take what m8 sends. `monoctl` shows what the notice said.",
            )

    async def _deliver(self, message: Message, lines: Sequence[str]) -> None:
        try:
            address = await self._address()
            # A task of its own: `asyncio.wait_for` of Python 3.11, which the library uses, can lose a cancellation.
            sending = asyncio.ensure_future(
                self._send(mail(message, lines, sender=self._server.sender, address=address), address)
            )
            heeded(sending)
            try:
                await asyncio.wait({sending})
            finally:
                sending.cancel()
            sending.result()
        except aiosmtplib.SMTPDataError as error:
            kind = _TextRefusedError if error.code >= 500 else DeliveryError
            raise self._failure(f"refuses the text of a notice with {error.code}", kind) from None
        except aiosmtplib.SMTPResponseException as error:
            raise self._failure(f"answers with {error.code}") from None
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = {refused.code for refused in error.recipients}
            raise self._failure(f"takes no mail for {self._whom} ({min(codes, default=0)})") from None
        except (aiosmtplib.SMTPException, ssl.SSLError, OSError) as error:
            raise self._failure(f"does not answer, or not with TLS ({type(error).__name__})") from None
        except Error as error:
            raise DeliveryError(error.message, fix=error.fix) from None

    async def _address(self) -> str:
        """Return where mails go. Raises `DeliveryError` if that is not known, and what `address_of` raises."""
        address = await self._address_of(self._whom) if is_member(self._whom) else self._whom
        if not address:
            raise DeliveryError(
                f"m8 knows no address of {self._whom} for which the issuer vouches.",
                fix="Let that member log in, with an address that is verified; or write an address into [[notices]].",
            )
        return address

    def check(self) -> None:
        """Read the password and the files of TLS. Blocks.

        Raises:
            UsageError: one is missing, or holds something else.
            RefusedError: others can reach the password or the private key.
        """
        self._secrets()

    async def _send(self, found: EmailMessage, address: str) -> None:
        server = self._server
        context, password = await asyncio.to_thread(self._secrets)
        connection = _Connection(
            hostname=server.server.host,
            port=server.server.port,
            username=server.username or None,
            password=password or None,
            local_hostname=socket.gethostname(),
            timeout=TIMEOUT_S,
            use_tls=server.is_implicit,
            start_tls=not server.is_implicit,
            tls_context=context,
        )
        async with connection:
            await connection.sendmail(server.sender, [address], found.as_bytes())

    def _secrets(self) -> tuple[ssl.SSLContext, str]:
        path = self._server.password_file
        password = "" if path is None else read_private(path).decode("utf-8", errors="replace").strip()
        return self._server.tls.context(), password

    def _failure(self, what: str, kind: type[DeliveryError] = DeliveryError) -> DeliveryError:
        return kind(f"the mail server {self._server.server} {what}.", fix=_FIX)


class Caller:
    """A webhook.

    Args:
        target: Where to, and whom to trust.
        clock: Milliseconds since 1970.
    """

    def __init__(self, target: WebhookTarget, *, clock: Callable[[], int]) -> None:
        self.webhook = Webhook(target, CALLS, clock=clock)

    async def deliver(self, message: Message) -> None:
        """Return when the receiver has taken the message. Raises `DeliveryError`."""
        body = {
            "id": message.id,
            "time": rfc3339(message.at_ms),
            "title": message.title,
            "notices": [{"about": one.about, "uri": one.uri, "text": one.text} for one in message.shown],
            "left_out": len(message.notices) - len(message.shown),
        }
        await self.webhook.post(message.id, json.dumps(body, separators=(",", ":")).encode("ascii"))
