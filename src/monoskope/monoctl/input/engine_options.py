"""Options for stores of one type. Stores of other types in the same command do not receive them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from monoskope.api.secrets.v1 import options_pb2
from monoskope.errors import UsageError
from monoskope.protocol.request import Options

R = TypeVar("R")


def engine_options(command: Callable[..., R]) -> Callable[..., R]:
    """Give a command the options for single kinds of engines; it receives `options`, None if none is used."""

    @functools.wraps(command)
    def wrapped(*args: Any, **rest: Any) -> R:  # noqa: ANN401 - click's own
        given = chosen(
            rest.pop("binary"), rest.pop("aws_tag"), rest.pop("kubernetes_type"), rest.pop("kubernetes_label")
        )
        return command(*args, options=given, **rest)

    options = (
        click.option(
            "--binary", type=click.Choice(["base64"]), help="Vault: store values that are not text as base64."
        ),
        click.option(
            "--aws-tag", multiple=True, metavar="NAME=VALUE", help="AWS: a tag, never secret; can be repeated."
        ),
        click.option("--kubernetes-type", default="", metavar="TYPE", help="Kubernetes: the type of a new Secret."),
        click.option(
            "--kubernetes-label",
            multiple=True,
            metavar="NAME=VALUE",
            help="Kubernetes: a label, never secret; can be repeated.",
        ),
    )
    result: Callable[..., R] = wrapped
    for option in reversed(options):
        result = option(result)
    return result


def chosen(
    binary: str | None, aws_tags: tuple[str, ...], kubernetes_type: str, kubernetes_labels: tuple[str, ...]
) -> Options | None:
    """Return the options of the one type of store that is meant, None if none is given.

    Raises:
        UsageError: options of several types are given, or a tag or label is not NAME=VALUE.
    """
    found = [_vault(binary), _aws(aws_tags), _kubernetes(kubernetes_type, kubernetes_labels)]
    given = [options for options in found if options is not None]
    if len(given) > 1:
        raise UsageError(
            "--binary, --aws-… and --kubernetes-… are each for stores of one type.",
            fix="Put into stores of different types one after the other.",
        )
    return given[0] if given else None


def _vault(binary: str | None) -> Options | None:
    return options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64) if binary else None


def _aws(tags: tuple[str, ...]) -> Options | None:
    return options_pb2.AwsOptions(tags=_labels("--aws-tag", tags)) if tags else None


def _kubernetes(kind: str, labels: tuple[str, ...]) -> Options | None:
    if not kind and not labels:
        return None
    return options_pb2.KubernetesOptions(type=kind, labels=_labels("--kubernetes-label", labels))


def _labels(option: str, texts: tuple[str, ...]) -> list[options_pb2.Label]:
    """Return `NAME=VALUE` texts as the request has them: sorted, each name once."""
    found: dict[str, str] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"{option} {text!r} is not NAME=VALUE.", fix=f"Write for example {option} owner=team-a.")
        if name in found:
            raise UsageError(f"{option} {name!r} is given twice.", fix="Give each name once.")
        found[name] = value
    return [options_pb2.Label(name=name, value=found[name]) for name in sorted(found)]
