"""The part of openapi.json about the witnessed log in pieces, which tools of others read (c2sp.org/tlog-tiles)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TAG: Schema = {
    "name": "Witnessed log",
    "description": "The newest checkpoint, and the tree in tiles, for auditors and administrators.",
}

_PLACE: Schema = {
    "name": "place",
    "in": "path",
    "required": True,
    "description": "The index of the tile as c2sp.org/tlog-tiles writes it, with `.p/` and the width of a partial one: "
    "`067`, `x001/067`, `067.p/3`. Its slashes are not escaped.",
    "schema": {"type": "string"},
}
_LEVEL: Schema = {
    "name": "level",
    "in": "path",
    "required": True,
    "description": "The level of the tile, from 0.",
    "schema": {"type": "integer", "minimum": 0, "maximum": 63},
}
_BYTES: Schema = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_TEXT: Schema = {"text/plain": {"schema": {"type": "string"}}}


def paths() -> Schema:
    """Return the paths."""
    return {
        "/checkpoint": _get(
            "checkpoint",
            "The newest note: with a quorum of cosignatures, if m8 asks witnesses and there is one",
            "A signed note (c2sp.org/tlog-checkpoint).",
            _TEXT,
        ),
        "/tile/{level}/{place}": _get(
            "tile", "The hashes of a tile that a signed checkpoint has", "32 bytes each.", _BYTES, _LEVEL, _PLACE
        ),
        "/tile/entries/{place}": _get(
            "entries",
            "The entries of a tile: the SHA-256 of each record",
            "Two bytes for the length, then 32 bytes, of each.",
            _BYTES,
            _PLACE,
        ),
    }


def _get(name: str, summary: str, description: str, content: Schema, *parameters: Schema) -> Schema:
    operation: Schema = {
        "operationId": name,
        "tags": [TAG["name"]],
        "summary": summary,
        "responses": {
            "200": {"description": description, "content": content},
            "401": {"$ref": "#/components/responses/Refused401"},
            "403": {"$ref": "#/components/responses/Refused403"},
            "404": {"$ref": "#/components/responses/Refused404"},
        },
    }
    if parameters:
        operation["parameters"] = list(parameters)
    return {"get": operation}
