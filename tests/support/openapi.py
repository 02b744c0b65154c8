"""Whether what m8 takes and answers in JSON is what docs/reference/openapi.json says."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

_FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"


def check_call(path: str, status: int, request: bytes, answer: bytes) -> None:
    """Raise `ValidationError` if an answer is not as described, or if a request that m8 took is not."""
    post = _document()["paths"][path]["post"]
    if status == 200:
        _check(post["requestBody"]["content"]["application/json"]["schema"]["$ref"], request)
        _check(post["responses"]["200"]["content"]["application/json"]["schema"]["$ref"], answer)
    elif str(status) in post["responses"]:
        check_error(json.loads(answer))


def check_error(error: Any) -> None:
    """Raise `ValidationError` if an error of Connect is not as described."""
    _validator("#/components/schemas/ConnectError").validate(error)


def check_streamed(name: str, message: bytes) -> None:
    """Raise `ValidationError` if a message of a stream is not as described."""
    _check(f"#/components/schemas/{name}", message)


@functools.lru_cache(maxsize=1_000)  # many calls are alike, word for word
def _check(reference: str, content: bytes) -> None:
    _validator(reference).validate(json.loads(content))


@functools.cache
def _document() -> Any:
    return json.loads(_FILE.read_text(encoding="utf-8"))


@functools.cache
def _validator(reference: str) -> Any:
    return jsonschema.Draft202012Validator({"$ref": reference, "components": _document()["components"]})
