"""`POST /oauth2/token` in docs/reference/openapi.json: the exchange of a token (RFC 8693), which proto/ has not."""

from __future__ import annotations

from monoskope.m8.http import token_endpoint
from monoskope.m8.service import exchange
from monoskope.protocol.login import ExchangeRefusal
from tools.json_schemas import Schema

TAG: Schema = {"name": "OAuth 2.0", "description": "The exchange of a token, as RFC 8693 has it."}

_TEXT: Schema = {"type": "string"}


def _answer(description: str, schema: str) -> Schema:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content}


SCHEMAS: dict[str, Schema] = {
    "TokenExchangeRequest": {
        "type": "object",
        "properties": {
            "grant_type": {"const": token_endpoint.GRANT_TYPE},
            "subject_token": _TEXT | {"description": "The ID token, or the workload's JWT.", "maxLength": 16_384},
            "subject_token_type": {"enum": [exchange.ID_TOKEN, exchange.JWT]},
            "requested_token_type": {"const": token_endpoint.ACCESS_TOKEN},
            "audience": _TEXT | {"description": "The `audience` of this m8, or left out."},
        },
        "required": ["grant_type", "subject_token", "subject_token_type"],
    },
    "TokenExchangeAnswer": {
        "type": "object",
        "properties": {
            "access_token": _TEXT | {"description": "The token of m8. m8 does not keep it."},
            "issued_token_type": {"const": token_endpoint.ACCESS_TOKEN},
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer", "description": "Seconds until it expires.", "maximum": exchange.TTL_S},
        },
        "required": ["access_token", "issued_token_type", "token_type", "expires_in"],
        "additionalProperties": False,
    },
    "OAuthError": {
        "type": "object",
        "properties": {
            "error": _TEXT | {"description": "The code of RFC 6749, 5.2, or RFC 8693, 2.2.2."},
            "error_description": _TEXT | {"description": "What happened, and what to do next."},
            "exchange_refusal": {
                "enum": [refusal.value for refusal in ExchangeRefusal],
                "description": "Why the token is not exchanged.",
            },
        },
        "required": ["error", "error_description"],
        "additionalProperties": False,
    },
}
"""The schemas of the request and the answers."""

PATHS: dict[str, Schema] = {
    token_endpoint.PATH: {
        "post": {
            "operationId": "oauth2Token",
            "tags": [TAG["name"]],
            "summary": "Exchange a token of a configured issuer for one of m8",
            "description": "The call `AccessService.ExchangeToken` by RFC 8693. Needs no token of m8.",
            "security": [],
            "requestBody": {
                "required": True,
                "content": {
                    token_endpoint.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/TokenExchangeRequest"}}
                },
            },
            "responses": {
                "200": _answer("The token.", "TokenExchangeAnswer"),
                "400": _answer("The request or its token is refused.", "OAuthError"),
                "401": _answer("The request has the header `Authorization`.", "OAuthError"),
                "413": _answer("The body is too large.", "OAuthError"),
                "415": _answer("The content type is another.", "OAuthError"),
                "429": _answer("Too many tokens were refused or exchanged just now.", "OAuthError"),
                "500": _answer("m8 has a defect.", "OAuthError"),
                "503": _answer("Trying again later can succeed.", "OAuthError"),
                "default": {"description": "Refused before it is a call: docs/reference/http.md has the table."},
            },
        }
    }
}
"""The path, as OpenAPI has it."""
