"""Typed options go to their own kinds of stores alone; JSON goes to any, whose driver takes or refuses it."""

from __future__ import annotations

import pytest

from monoskope.api.secrets.v1 import options_pb2
from monoskope.protocol.notes import are_for
from monoskope.protocol.request import Options

VAULT, AWS, KUBERNETES = options_pb2.VaultOptions(), options_pb2.AwsOptions(), options_pb2.KubernetesOptions()


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        (VAULT, {"vault"}),
        (AWS, {"aws-secretsmanager", "aws-ssm"}),
        (KUBERNETES, {"kubernetes"}),
        ("{}", {"vault", "vault-kv1", "aws-secretsmanager", "aws-ssm", "aws-foo", "kubernetes", "kubernetes-foo"}),
    ],
)
def test_options_are_for_whole_names_of_kinds(options: Options, kinds: set[str]) -> None:
    asked = {"vault", "vault-kv1", "aws-secretsmanager", "aws-ssm", "aws-foo", "kubernetes", "kubernetes-foo"}
    assert {kind for kind in asked if are_for(options, kind)} == kinds


def test_every_provider_of_the_request_has_its_kinds() -> None:
    for provider in Options.__args__[:-1]:
        assert isinstance(are_for(provider(), "any"), bool)
