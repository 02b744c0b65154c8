"""Display names in answers: each answer that names people by their ids has the names of those, and of nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from monoskope.m8.service.app import App


def _of_events(answer: Any) -> Iterable[str]:  # noqa: ANN401 - as below
    return [event.actor for event in answer.events]


def _of_secrets(secrets: Iterable[Any]) -> Iterable[str]:
    return [one for secret in secrets for one in (secret.subject, secret.notes_subject)]


def _of_bindings(answer: Any) -> Iterable[str]:  # noqa: ANN401 - as below
    return [one for binding in answer.role_bindings for one in (binding.made_by, *binding.members)]


def _of_tokens(answer: Any) -> Iterable[str]:  # noqa: ANN401 - as below
    return [one for token in answer.tokens for one in (token.subject, token.made_by)]


def _of_changes(answer: Any) -> Iterable[str]:  # noqa: ANN401 - as below
    return [
        one
        for change in answer.changes
        for one in (change.subject, change.ended_by, *(approval.subject for approval in change.approvals))
    ]


IDS: Mapping[str, Callable[[Any], Iterable[str]]] = MappingProxyType(
    {
        "GetSecretUpload": lambda answer: [answer.upload.subject],
        "GetSecret": lambda answer: _of_secrets([answer.secret]),
        "ListSecrets": lambda answer: _of_secrets(answer.secrets),
        "ListSecretVersions": lambda answer: [version.subject for version in answer.versions],
        "ListEvents": _of_events,
        "WhoAmI": lambda answer: [answer.subject],
        "WhoCan": lambda answer: [one.member for one in answer.members],
        "ListRoleBindings": _of_bindings,
        "ListTokens": _of_tokens,
        "GetSecretChanges": _of_changes,
    }
)
"""The ids in the answer of each method that names people. Static types cannot say that an answer follows from its
method. The events of `WatchEvents` are one message for all who watch, so their names are in it from the beginning."""


def with_names(app: App, method: str, handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Return the handler of a method with names in its answers, or itself if its answers name nobody."""
    ids = IDS.get(method)
    if ids is None:
        return handler

    async def named(*asked: Any) -> Any:  # noqa: ANN401 - as above
        answer = await handler(*asked)
        answer.people.extend(await app.people.shown(ids(answer)))
        return answer

    return named
