"""Which way leads to a server: its name says it. Each is imported when it is first used, since that takes time."""

from __future__ import annotations

from monoskope.client.roots import Roots
from monoskope.client.runtime import Runtime
from monoskope.client.transport.base import Transport
from monoskope.host_port import HTTPS


def dial(server: str, roots: Roots, *, has_others: bool, runtime: Runtime) -> Transport:
    """Return the transport to `server`; nothing is sent before its first call.

    Args:
        server: As `monoskope.host_port.ServerName` shows it.
        roots: The authorities that may have signed its certificate.
        has_others: Whether there are other servers to go to when this one stands still.
        runtime: What its caller waits with. If that blocks, `server` is one of HTTP.

    Raises:
        UsageError: the authorities are no certificates, or the environment names no usable proxy.
        ValueError: the runtime blocks, and `server` is one of gRPC.
    """
    if runtime.blocks:
        if not server.startswith(HTTPS):
            raise ValueError(f"only a server of HTTP can be dialled so, not {server}")
        from monoskope.client.transport.blocking import BlockingTransport  # noqa: PLC0415

        return BlockingTransport(server, roots, has_others=has_others, sent=runtime.sent)
    if server.startswith(HTTPS):
        from monoskope.client.transport.http import HttpTransport  # noqa: PLC0415

        return HttpTransport(server, roots, has_others=has_others)
    from monoskope.client.transport.grpc import GrpcTransport  # noqa: PLC0415

    return GrpcTransport(server, roots, has_others=has_others)
