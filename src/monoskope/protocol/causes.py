"""Why m8 is not available, where that changes what a client does: metadata `cause` of `google.rpc.ErrorInfo`."""

FULL = "FULL"
"""The disk below the event log is full. A client does not wait: a person must make room (docs/protocol.md)."""
