"""What a reactor may announce of its engine, at both ends."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.protocol.hello import MAX_CAPABILITIES, MAX_SCHEMA, check_capabilities


def capabilities(**fields: object) -> events_pb2.StoreCapabilities:
    return events_pb2.StoreCapabilities(**fields)  # type: ignore[arg-type]


def test_what_is_within_the_bounds_is_taken() -> None:
    check_capabilities(capabilities())
    check_capabilities(capabilities(layout="x" * (MAX_CAPABILITIES - 100), options_schema='{"type":"object"}'))


def test_more_in_all_than_the_bound_is_refused() -> None:
    with pytest.raises(UsageError, match=r"16,384|may announce"):
        check_capabilities(capabilities(layout="x" * MAX_CAPABILITIES))


@pytest.mark.parametrize(
    "schema",
    ['{"$ref":"#"}', '{"pattern":"a"}', "[]", "{", '{"a":1,"a":2}', f'{{"title":"{"x" * MAX_SCHEMA}"}}'],
)
def test_a_schema_that_could_harm_is_refused(schema: str) -> None:
    with pytest.raises(UsageError, match="the options schema"):
        check_capabilities(capabilities(options_schema=schema))
