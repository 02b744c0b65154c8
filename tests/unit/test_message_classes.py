"""The classes of messages are made when they are asked for, and are the ones that protobuf itself uses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2

_CODE = """
from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.message_classes import POOL
assert "Secret" not in vars(views_pb2)
inside = type(queries_pb2.ListSecretsResponse().secrets.add())
assert inside is views_pb2.Secret
print(inside.__module__, inside.__qualname__, "Secret" in vars(views_pb2), len(vars(queries_pb2)) < 50)
"""


def test_a_class_that_was_met_inside_a_message_is_the_one_of_its_module() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["monoskope.api.gateway.v1.views_pb2", "Secret", "True", "True"]


@pytest.mark.parametrize("module", [queries_pb2, views_pb2])
def test_every_message_of_a_file_can_be_asked_for(module: object) -> None:
    descriptor = module.DESCRIPTOR  # type: ignore[attr-defined]  # every generated module has one
    for name, message in descriptor.message_types_by_name.items():
        assert name in dir(module)
        assert getattr(module, name).DESCRIPTOR is message


def test_what_a_file_does_not_have_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"views_pb2' has no attribute 'Nothing'"):
        _ = views_pb2.Nothing  # type: ignore[attr-defined]  # it is not there
