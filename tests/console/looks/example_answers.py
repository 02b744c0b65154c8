"""What `monoctl console` answers in an example that is always the same, as console/src/api/documents has it."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any

NOW = dt.datetime(2026, 11, 24, 9, 30, tzinfo=dt.UTC)
"""The moment of the example."""

IDENTITY = "SHA256:u7Qm2mXkq0Z1f4yD9rT5cVbN8sJ3wH6aLgKpEoRiYxM"
_PATHS = (
    *("vault://payments/db", "vault://payments/stripe", "vault://payments/ledger", "vault://checkout/db"),
    *("vault://checkout/oauth", "vault://platform/smtp", "vault://platform/signing", "vault://identity/ldap"),
    *("aws-eu://payments/db", "aws-eu://payments/webhooks", "aws-eu://data/warehouse", "aws-eu://data/kafka"),
    *("k8s-prod://checkout/db", "k8s-prod://mobile/push", "k8s-prod://platform/smtp", "k8s-prod://identity/saml"),
    *("local://laptop/restic", "local://laptop/wireguard"),
)
_PEOPLE = ("anna", "grace", "ci-deploy", "ben")
_NOTE = "An edit needs no store: m8 alone says it."


def written(moment: dt.datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


LOG = {
    "size": 412,
    "signed_at": written(NOW - dt.timedelta(seconds=40)),
    "witnessed_size": 412,
    "quorum": 2,
    "witnesses": [{"name": f"witness.example.{end}"} for end in ("org", "net", "com")],
    "trouble": "",
    "quorum_trouble": "",
}


def _fingerprint(text: str) -> str:
    return f"fp1:63e8eb50bcac50aa:{hashlib.sha256(text.encode()).hexdigest()}"


def _proof(*, proven: bool, why: str = "") -> dict[str, Any]:
    return {"proven": proven, "why_not_proven": why, "is_false": False}


def _signed(uri: str, by: str) -> dict[str, str]:
    """Who signed a request: the store `vault` takes no other."""
    if not uri.startswith("vault://"):
        return {"signer": "", "signer_key": ""}
    key = base64.b64encode(hashlib.sha256(by.encode()).digest()).decode().rstrip("=")
    return {"signer": f"{by}@example.com", "signer_key": f"SHA256:{key}"}


def _secret(number: int, uri: str, chance: random.Random) -> dict[str, Any]:
    at = NOW - dt.timedelta(hours=chance.randrange(2, 2400))
    status = ("IN_SYNC", "IN_SYNC", "", "IN_SYNC", "DRIFTED", "IN_SYNC", "", "OVERWROTE")[number % 8]
    shared = uri.endswith(("/db", "/smtp"))
    expires = NOW.date() + dt.timedelta(days=(-3, 9, 31, 64, 190, 320)[number // 2 % 6]) if number % 2 else ""
    value = _fingerprint(uri.rpartition("/")[2] if shared else uri)
    return {
        "uri": uri,
        "hash": _fingerprint(f"{uri} whole"),
        "values": {"password": value, "user": _fingerprint(f"{uri} user")},
        "upstream_version": str(5 + number % 7),
        "prior_version": "",
        "drifted": status == "DRIFTED",
        "subject": _PEOPLE[number % 4],
        "changed_at": written(at),
        "request_id": hashlib.md5(uri.encode()).hexdigest(),
        "labels": {"team": uri.split("/")[2]} if number % 3 == 0 else {},
        "expires_on": str(expires),
        "deleted": False,
        "sync": "" if status == "OVERWROTE" else status,
        "verified_at": written(NOW - dt.timedelta(hours=number)) if status in {"IN_SYNC", "DRIFTED"} else "",
        "status": status,
        "notes_edited_by": "",
        "notes_edited_at": "",
        "same_elsewhere": (2 if uri.endswith("/db") else 1) if shared else 0,
        **_signed(uri, _PEOPLE[number % 4]),
        **_proof(proven=number != 7, why="" if number != 7 else "The request is older than the pin."),
    }


SECRETS = [_secret(number, uri, random.Random(number)) for number, uri in enumerate(_PATHS)]


def _counted(field: Callable[[dict[str, Any]], list[str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for secret in SECRETS:
        for name in field(secret):
            counts[name] = counts.get(name, 0) + 1
    return counts


def _secrets(asked: dict[str, Any]) -> dict[str, Any]:
    words = asked.get("search", "").split()
    rows = [one for one in SECRETS if all(word in one["uri"] for word in words)]
    if "expiring_days" in asked:
        last = str(NOW.date() + dt.timedelta(days=asked["expiring_days"]))
        rows = [one for one in rows if one["expires_on"] and one["expires_on"] <= last]
    if "store" in asked:
        rows = [one for one in rows if one["uri"].startswith(f"{asked['store']}://")]
    return {
        "secrets": rows[: asked.get("page_size", 50)],
        "total": len(rows),
        "loaded": len(SECRETS),
        "complete": True,
        "note": "",
        "stores": _counted(lambda one: [one["uri"].partition(":")[0]]),
        "subjects": _counted(lambda one: [one["subject"]]),
        "labels": _counted(lambda one: [f"{name}={value}" for name, value in one["labels"].items()]),
        "statuses": _counted(lambda one: [one["status"]]),
        "figures": figures(),
    }


def figures() -> dict[str, int]:
    today, last = str(NOW.date()), str(NOW.date() + dt.timedelta(days=30))
    hashes = [value for one in SECRETS if not one["deleted"] for value in one["values"].values()]
    return {
        "present": sum(not one["deleted"] for one in SECRETS),
        "deleted": sum(one["deleted"] for one in SECRETS),
        "expired": sum("" < one["expires_on"] < today for one in SECRETS),
        "expiring": sum(today <= one["expires_on"] <= last for one in SECRETS),
        "out_of_sync": sum(one["status"] in {"DRIFTED", "GONE"} for one in SECRETS),
        "drifted": sum(one["status"] in {"DRIFTED", "GONE", "OVERWROTE"} for one in SECRETS),
        "same_values": sum(hashes.count(value) > 1 for value in set(hashes)),
    }


def _secret_of(asked: dict[str, Any]) -> dict[str, Any]:
    return next((one for one in SECRETS if one["uri"] == asked["uri"]), SECRETS[0])


_HISTORY = (
    *(("UPLOAD", "UPLOADED"), ("EDIT", "EDITED"), ("ROLLBACK", "ROLLED_BACK"), ("UPLOAD", "UPLOADED")),
    *(("UNDELETE", "UNDELETED"), ("DELETE", "DELETED"), ("UPLOAD", "UPLOADED")),
)


def _versions(asked: dict[str, Any]) -> dict[str, Any]:
    secret = _secret_of(asked)
    newest, found = int(secret["upstream_version"]), []
    changed = dt.datetime.fromisoformat(secret["changed_at"])
    notes = [f"label {name}={value}" for name, value in secret["labels"].items()]
    notes += [f"expires {secret['expires_on']}"] if secret["expires_on"] else []
    version = newest
    for number, (purpose, outcome) in enumerate(_HISTORY):
        by = _PEOPLE[(_PEOPLE.index(secret["subject"]) + number) % 4]
        is_there, is_edit = outcome not in {"EDITED", "DELETED"}, purpose == "EDIT"
        # The rollback wrote again what stood there two versions before.
        content = version - 2 if outcome == "ROLLED_BACK" else version
        whole = secret["hash"] if content == newest else _fingerprint(f"{asked['uri']} {content}")
        found.append(
            {
                "uri": asked["uri"],
                "purpose": purpose,
                "outcome": outcome,
                "upstream_version": str(version) if is_there else "",
                "prior_version": str(content) if outcome in {"ROLLED_BACK", "UNDELETED"} else "",
                "subject": by,
                **({"signer": "", "signer_key": ""} if is_edit else _signed(asked["uri"], by)),
                "changed_at": written(changed - dt.timedelta(hours=7 * ((number + 1) ** 2 - 1))),
                "hash": whole if is_there else "",
                "request_id": "" if is_edit else f"{number:032x}" if number else secret["request_id"],
                "edit": "; ".join(notes) or "label team removed" if is_edit else "",
                **_proof(proven=not is_edit, why=_NOTE if is_edit else ""),
            }
        )
        # Deleting and undeleting make no version of their own.
        version -= outcome in {"UPLOADED", "ROLLED_BACK"}
    return {"versions": found}


def _reactor(number: int, *, signed: bool) -> dict[str, Any]:
    able = ["deletable", "listable", "patchable", "readable", "rollbackable", "soft_delete", "undeletable"]
    return {
        "replica": f"{number:02x}" * 16,
        "attached": True,
        "last_heard_at": written(NOW),
        "engine": "ok",
        "engine_since_at": written(NOW - dt.timedelta(days=9)),
        "last_failure": "",
        "last_failure_at": "",
        "max_plaintext": 65_536,
        "capabilities": able + ["signatures"] * signed,
        "signers_trouble": False,
        "copies_to": ["local"],
        "key_rule": "",
        "layout": "One entry for each secret; each key is a field.",
        "fingerprint_key_id": "63e8eb50bcac50aa",
    }


def _store(number: int, name: str, kind: str) -> dict[str, Any]:
    away, signed = name == "k8s-prod", name == "vault"
    first, second = _reactor(number, signed=signed), _reactor(number + 8, signed=signed)
    return {
        "name": name,
        "type": kind,
        "active": True,
        "is_default": number == 0,
        "identity": IDENTITY,
        "identity_rotations": 0,
        "fingerprint_key_id": "63e8eb50bcac50aa",
        "max_plaintext": 65_536,
        "created_at": written(NOW - dt.timedelta(days=200)),
        "layout": "One entry for each secret; each key is a field.",
        "maturity": "stable" if number in {0, 3} else "experimental",
        "last_heard_at": written(NOW),
        "engine": "unavailable" if away else "ok",
        "pending": 2 if away else 0,
        "refused_login": None,
        "reactors": [first | ({"engine": "unavailable"} if away else {}), second],
        "identity_state": "new" if name == "local" else "pinned",
        "pinned": "" if name == "local" else IDENTITY,
        "identity_message": "",
        "identity_fix": "",
    }


STORES = [
    _store(number, name, kind)
    for number, (name, kind) in enumerate(
        (("vault", "vault"), ("aws-eu", "aws-secretsmanager"), ("k8s-prod", "kubernetes"), ("local", "age"))
    )
]


def _groups(_asked: dict[str, Any]) -> dict[str, Any]:
    places: dict[str, list[dict[str, str]]] = {}
    for one in SECRETS:
        for key, fingerprint in one["values"].items():
            place = {"uri": one["uri"], "key": key, "store": one["uri"].partition(":")[0]}
            places.setdefault(fingerprint, []).append(place | {name: one[name] for name in ("subject", "changed_at")})
    several = sorted((each for each in places.items() if len(each[1]) > 1), key=lambda each: -len(each[1]))
    found = [
        {"fingerprint": one, "places": where, "stores": len({place["store"] for place in where})}
        for one, where in several
    ]
    return {"groups": found, "keys_read": 2 * len(SECRETS), "complete": True}


def _expiring(_asked: dict[str, Any]) -> dict[str, Any]:
    days: dict[str, list[str]] = {}
    for one in SECRETS:
        if one["expires_on"]:
            days.setdefault(one["expires_on"], []).append(one["uri"])
    rows = [{"day": day, "uris": uris, "due": []} for day, uris in sorted(days.items())]
    rows[0]["due"] = ["vault://checkout/db.next"]
    rows[-1]["due"] = ["vault://payments/db.next"]
    return {"days": rows, "without": sum(not one["expires_on"] for one in SECRETS)}


_OUTCOMES = ("UPLOADED", "UNCHANGED", "COMPARED", "FAILED: CONFLICT")


def _activity(asked: dict[str, Any]) -> dict[str, Any]:
    chance, days = random.Random(5), asked["days"]
    step = dt.timedelta(hours=1) if days <= 2 else dt.timedelta(days=1)
    count = days * 24 if days <= 2 else days
    most = (9, 5, 4, 2)
    return {
        "buckets": [
            {
                "from": written(NOW - step * (count - number)),
                "outcomes": {name: chance.randrange(top) for name, top in zip(_OUTCOMES, most, strict=True)},
            }
            for number in range(count)
        ],
        "outcomes": list(_OUTCOMES),
        "people": [
            {"actor": name, "outcomes": {"UPLOADED": 40 - 9 * number, "FAILED: CONFLICT": number}}
            for number, name in enumerate(_PEOPLE)
        ],
        "open": [
            {
                "request_id": f"{7:032x}",
                "uri": "k8s-prod://mobile/push",
                "actor": "ben",
                "since": written(NOW - dt.timedelta(minutes=2)),
                "last": "SecretUploadRequested",
            }
        ],
        "failed": [
            {
                "request_id": f"{20 + number:032x}",
                "uri": SECRETS[2 * number]["uri"],
                "actor": _PEOPLE[number % 4],
                "at": written(NOW - dt.timedelta(minutes=50 * (number + 1))),
                "reason": ("CONFLICT", "KEY_LOST", "CONFLICT")[number % 3],
            }
            for number in range(5)
        ],
        "complete": True,
    }


_WALK = (
    *("SecretUploaded", "SecretUploadStarted", "SecretUploadRequested", "SecretUploadKeyProvided"),
    "SecretUploadKeyRequested",
)


def _detail(kind: str, secret: dict[str, Any]) -> str:
    """As m8 summarises such an event."""
    return {
        "SecretUploadKeyRequested": f"UPLOAD of {secret['uri']}",
        "SecretUploadKeyProvided": "by replica 0a1b2c3d, for 120 s",
        "SecretUploadRequested": "1137 sealed bytes",
        "SecretUploadStarted": "replacing nothing",
        "SecretUploaded": f"UPLOADED, version {secret['upstream_version'].partition('@')[0]}",
    }[kind]


def _events(asked: dict[str, Any]) -> dict[str, Any]:
    found = []
    for number in range(25):
        kind, secret = _WALK[number % 5], SECRETS[number // 5]
        by_user = kind.endswith("Requested")
        found.append(
            {
                "position": 412 - number,
                "stream": f"upload/{secret['request_id']}",
                "version": 5 - number % 5,
                "type": kind,
                "recorded_at": written(NOW - dt.timedelta(minutes=11 * (number // 5), seconds=number % 5)),
                "actor": secret["subject"] if by_user else "reactor/vault/0a1b2c3d",
                "uri": secret["uri"],
                "detail": _detail(kind, secret),
                "record_hash": secret["hash"] if kind == "SecretUploaded" else "",
                "request_id": secret["request_id"],
            }
        )
    before = asked.get("before") or found[0]["position"] + 1
    return {"events": [event for event in found if event["position"] < before][: asked.get("limit", 100)]}


def _role_bindings(_asked: dict[str, Any]) -> dict[str, Any]:
    people = ["user:corp:anna", "user:corp:ben", "user:corp:grace"]
    given: tuple[tuple[Any, ...], ...] = (
        ("administrators", "administrator", people[2:], "", []),
        ("ci-deploy", "user", ["machine:github:74.65"], "vault://checkout", ["put"]),
        ("payments", "user", ["group:corp:payments", *people[:2]], "vault://payments", ["put", "compare", "see-hash"]),
        ("revision", "auditor", ["group:corp:revision"], "", []),
    )
    names = ("name", "role", "members", "prefix", "rights")
    return {
        "role_bindings": [dict(zip(names, one, strict=True)) | {"version": 41 + at} for at, one in enumerate(given)]
    }


def _upload(asked: dict[str, Any]) -> dict[str, Any]:
    return {
        "request_id": asked["request_id"],
        "uri": SECRETS[0]["uri"],
        "destination": "",
        "purpose": "UPLOAD",
        "state": "ENDED",
        "outcome": "UPLOADED",
        "reason": "",
        "m8_says": "",
        "subject": "anna",
        **_signed(SECRETS[0]["uri"], "anna"),
        "requested_at": written(NOW - dt.timedelta(seconds=9)),
        "changed_at": written(NOW - dt.timedelta(seconds=8)),
        "has_receipt": True,
        **_proof(proven=True),
    }


def _change(number: int, state: str = "OPEN") -> dict[str, Any]:
    uri, subject = SECRETS[number]["uri"], ("grace", "anna")[number % 2]
    return {
        "change_id": f"{number:032x}",
        "sha256": hashlib.sha256(uri.encode()).hexdigest(),
        "purpose": ("UPLOAD", "DELETE", "PATCH")[number % 3],
        "uri": uri,
        "place": uri,
        "requester": f"{subject}@example.com",
        "reason": ("the quarterly rotation", "", "nobody uses it")[number % 3],
        "not_after": written(NOW + dt.timedelta(hours=11)),
        **_proof(proven=number % 2 == 0, why="the newest receipt that m8 shows says otherwise"),
        "done": state == "DONE",
        "pinned": True,
        "state": state,
        "subject": subject,
        "proposed_at": written(NOW - dt.timedelta(minutes=7 * (number + 1))),
        "request_id": "",
        "approved": number % 2,
    }


def _changes(asked: dict[str, Any]) -> dict[str, Any]:
    ended = () if asked.get("waiting") else ("DONE", "OVERTAKEN", "DECLINED", "ENDED", "WITHDRAWN")
    return {
        "changes": [_change(number) for number in (0, 2)] + [_change(*one) for one in enumerate(ended, 3)],
        "more": False,
    }


def _one_change(asked: dict[str, Any]) -> dict[str, Any]:
    change = _change(int(asked["change_id"], 16))
    key = _signed("vault://", "ben")["signer_key"]
    lines = (
        ("Change", change["change_id"], "change"),
        ("SHA-256", change["sha256"], "change"),
        ("What", f"{change['purpose']} {change['uri']}", "change"),
        ("Keys", "password, user", "change"),
        ("Expects", "version 7@2026-11-20T08:00:00Z: a receipt of the pinned identity proves it", "receipt"),
        ("Requester", f"{change['requester']} (m8 says that {change['subject']} proposed it)", "change"),
        ("Reason", change["reason"], "change"),
        ("Until", change["not_after"], "change"),
        ("Identity", f"{IDENTITY}, which is pinned here", "here"),
        ("State", "m8 says OPEN", "m8"),
        ("Approval 1", f"{key}, which m8 got from ben", "here"),
        ("Approval 2", "no key, which m8 got from eva; does not count: it is no signature", "not"),
    )
    shown = [dict(zip(("name", "text", "said_by"), line, strict=True)) for line in lines]
    word = f"approve {change['sha256'][:8]}"
    return change | {"lines": shown, "own": False, "by": "word", "word": word, "why_not": None}


_KINDS = (
    *(("password", 32, "characters", 8, 256, 0), ("hex", 32, "bytes", 16, 512, 0)),
    *(("ed25519", 0, "", 0, 0, 0), ("fixed", 0, "", 0, 0, 128)),
)


def _kinds() -> Iterator[dict[str, Any]]:
    for name, default, unit, least, most, longest in _KINDS:
        sizes = {"sizes": [], "least": least, "most": most}
        yield {
            "name": name,
            "default": default,
            "unit": unit,
            **sizes,
            "is_pair": name == "ed25519",
            "longest": longest,
        }


ROUNDS = {
    "accounts": ["pg://payments_a", "pg://payments_b"],
    "recipes": {"password": "password:32", "url": "fixed:db.internal"},
    "every": "30d",
}


def _plan(asked: dict[str, Any]) -> dict[str, Any]:
    stops = {"step": "STOP", "account": "", "why": "pg://payments_b may still be in use.", "fix": "Wait, or --force."}
    begins = {"step": "MAKE_VALUES", "account": asked["accounts"][1], "why": "", "fix": ""}
    began = {"began_at": written(NOW - dt.timedelta(hours=3)), "is_over": True}
    return {"uri": asked["uri"], **(begins if asked["force"] else stops), "waits": not asked["force"], **began}


def _rotated(asked: dict[str, Any]) -> dict[str, Any]:
    done = {"uri": asked["uri"], "outcome": "ROTATED", "account": asked["accounts"][1], "upstream_version": "8"}
    done |= {"hash": _fingerprint("rotated"), "began_at": written(NOW), "joined": False}
    return {"results": [{"done": done}], "notes": []}


ANSWERS: dict[str, Callable[[dict[str, Any]], object]] = {
    "secrets": _secrets,
    "secret": _secret_of,
    "versions": _versions,
    "upload": _upload,
    "role-bindings": _role_bindings,
    "events": _events,
    "stores": lambda _: {"stores": STORES},
    "groups": _groups,
    "expiring": _expiring,
    "activity": _activity,
    "changes": _changes,
    "change": _one_change,
    "drift": lambda _: {"secrets": [one for one in SECRETS if one["status"] in {"DRIFTED", "OVERWROTE"}]},
    "rounds": lambda _: ROUNDS,
    "plan-rotation": _plan,
    "rotate": _rotated,
    "recipes": lambda _: {"kinds": list(_kinds())},
}
"""By operation; the others depend on who asks."""
