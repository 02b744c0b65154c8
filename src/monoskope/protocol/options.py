"""Which kinds of stores each provider's options are for. Clients and reactors ask this one table."""

from __future__ import annotations

from monoskope.api.secrets.v1 import options_pb2
from monoskope.protocol.request import Options

_KINDS: dict[type, frozenset[str]] = {
    options_pb2.VaultOptions: frozenset({"vault"}),
    options_pb2.AwsOptions: frozenset({"aws-secretsmanager", "aws-ssm"}),
    options_pb2.KubernetesOptions: frozenset({"kubernetes"}),
}
"""The kinds of stores that each typed message is for, by their whole names. A third party's driver takes JSON."""


def are_for(options: Options, kind: str) -> bool:
    """Return whether `options` may go to a store of that kind: a JSON text to any, a typed message to its own alone."""
    return isinstance(options, str) or kind in _KINDS[type(options)]
