"""A scripted m8 that exchanges tokens of an issuer for tokens of its own, and remembers what it was given."""

from __future__ import annotations

import base64
import json
import time

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, queries_pb2
from monoskope.client.login.id_token import claims_of
from monoskope.testing.scripted.m8 import ScriptedM8


def jwt(**claims: object) -> str:
    """Return a JWT that nobody signed."""
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


class ExchangingM8(ScriptedM8):
    """Believes each token, and calls its subject `user:corp:SUB`."""

    def __init__(self) -> None:
        super().__init__(subject="user:corp:anna")
        self.exchanged: list[str] = []
        """Every token that came, in order."""
        self.revoked: list[str] = []
        """The id of every token that was revoked."""
        self.lasts_s = 900
        self.clock_s = 0
        """How far its clock is ahead."""
        self.gives: str | None = None
        """What it gives in the place of a token, if it is hostile."""

    def more(self, method: str, message: Message) -> Message:
        match message:
            case access_pb2.ExchangeTokenRequest():
                self.exchanged.append(message.subject_token)
                now = int(time.time()) + self.clock_s
                subject = f"user:corp:{claims_of(message.subject_token).get('sub')}"
                token = jwt(sub=subject, iat=now, exp=now + self.lasts_s, jti=f"{len(self.exchanged):032x}")
                return access_pb2.ExchangeTokenResponse(
                    access_token=token if self.gives is None else self.gives,
                    expires_at_ms=(now + self.lasts_s) * 1000,
                    member=subject,
                )
            case access_pb2.RevokeTokenRequest():
                self.revoked.append(message.token_id)
                return access_pb2.RevokeTokenResponse()
            case queries_pb2.GetServerRequest():
                return queries_pb2.GetServerResponse(subject=self.subject)
            case access_pb2.WhoAmIRequest():
                return access_pb2.WhoAmIResponse(subject=self.subject)
            case _:
                return super().more(method, message)
