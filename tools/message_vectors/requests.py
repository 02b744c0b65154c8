"""Vectors of URIs and of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from monoskope.api.secrets.v1 import options_pb2, upload_pb2
from tools.message_vectors import approved
from tools.message_vectors.parts import URI, Vector, malformed, request, said, serialised

_LABEL, _RECIPE = options_pb2.Label, upload_pb2.Recipe
_LONGEST = "a" * 63 + "://" + "/".join(["s" * 128] * 3 + ["t" * 59])
_VERSIONED = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": "3@2027-01-01T00:00:00Z"}


def uris() -> Iterator[Vector]:
    """Yield texts, each a URI or none."""
    good = ["vault://app/db", "v://a", "a-1://_x/A.b-c_d/9", _LONGEST, "a://" + "/".join("s" * 16), f"a://{'s' * 128}"]
    for text in good:
        store, _, path = text.partition("://")
        yield {"uri": text, "expected": {"store": store, "path": path.split("/")}}
    bad = [
        *["", "://a", "vault:", "vault://", "vault:/app", "vault:///app", "vault://app/", "vault://app//db", "app/db"],
        *["Vault://app", "1vault://app", "-vault://app", "va_ult://app", f"{'a' * 64}://app", "v\u00e4ult://app"],
        *[
            "vault://.",
            "vault://app/..",
            "vault://.app",
            "vault://-app",
            "vault://app/%2e",
            "vault://a b",
            "vault://a\\b",
        ],
        *[
            "vault://app?x",
            "vault://app#x",
            "vault://u@app",
            "vault://app:1",
            "vault://d\u00e9b",
            "vault://app\n",
            " vault://app",
        ],
        *["vault://app\0", f"a://{'s' * 129}", "a://" + "/".join("s" * 17), _LONGEST + "x", "vault://app://db"],
    ]
    for text in bad:
        yield {"uri": text, "expected": {"fault": "URI"}}


def requests() -> Iterator[Vector]:
    """Yield requests: good ones of each purpose, then one fault each."""
    for name, message in [*_good(), *approved.good_requests()]:
        yield {"name": name, "content": serialised(message).hex(), "expected": {"says": said(message)}}
    bad = [
        *_bad_heads(),
        *_bad_notes(),
        *_bad_own_fields(),
        *_bad_generations(),
        *_bad_options(),
        *approved.bad_requests(),
    ]
    for name, message, field in bad:
        yield {"name": name, "content": serialised(message).hex(), "expected": malformed(field)}
    for name, change in _bad_bytes():
        yield {"name": name, "content": change(serialised(request())).hex(), "expected": malformed("content")}


def _good() -> Iterator[tuple[str, upload_pb2.UploadRequest]]:
    for purpose in ("UPLOAD", "PATCH", "COMPARE", "DELETE", "UNDELETE", "VERIFY", "IMPORT", "LIST"):
        yield purpose, request(purpose)
    for purpose in ("UPLOAD", "PATCH", "DELETE", "UNDELETE"):
        yield f"{purpose} of a version", request(purpose, **_VERSIONED)
        yield f"{purpose} that overwrites", request(purpose, expect=upload_pb2.EXPECT_OVERWRITE)
    yield "UPLOAD where nothing is", request(expect=upload_pb2.EXPECT_ABSENT)
    yield "eight suites", request(suites=[1, 2, 3, 4, 5, 6, 70_000, 4_294_967_295])
    yield "longest version", request(expect=upload_pb2.EXPECT_VERSION, expect_version="!" * 255 + "~")
    labels = [_LABEL(name="a/b.c_d-e", value=""), _LABEL(name="z9", value="\u00e4 \U0001f511" + "x" * 125)]
    yield "labels and a day", request(labels=labels, expires_on="2028-02-29")
    yield "sixteen labels", request(labels=[_LABEL(name=f"l{index:02}") for index in range(16)])
    yield "notes that are kept", request(keep_labels=True, keep_expires_on=True)
    yield "DELETE for good", request("DELETE", destroy=True)
    yield "PATCH that removes", request("PATCH", remove_keys=["Z", "a", "a.b"])
    yield "PATCH that removes 64", request("PATCH", remove_keys=[f"k{index:02}" for index in range(64)])
    every = [_RECIPE(key=f"k{index:02}", kind=kind, size=size) for index, (kind, size) in enumerate(_SIZES)]
    yield "GENERATE of each kind", request("GENERATE", recipes=every)
    for name, texts in _TEXTS.items():
        yield f"GENERATE of texts: {name}", request("GENERATE", recipes=[_RECIPE(**one) for one in texts])
    yield "COPY", request("COPY", destination="local://app/db", expect=upload_pb2.EXPECT_ABSENT, keep_labels=True)
    yield "COPY within one store", request("COPY", destination="vault://app/db2")
    yield "COPY of keys", request("COPY", destination="local://app/db", keys=["Z", "a", "a.b"])
    yield "COPY of 64 keys", request("COPY", destination="local://app/db", keys=[f"k{index:02}" for index in range(64)])
    yield "ROLLBACK", request("ROLLBACK", to_version="2@x", expect=upload_pb2.EXPECT_ABSENT)
    yield "LIST after a folder", request("LIST", list_after="folder/")
    yield "options of Vault", request(vault=options_pb2.VaultOptions(binary=options_pb2.VAULT_BINARY_BASE64))
    yield "options of Vault, all defaults", request("COMPARE", vault=options_pb2.VaultOptions())
    tags = [_LABEL(name=name, value="1") for name in ("A", "a", "\uff5e", "\U0001f511")]
    yield "tags in byte order", request("PATCH", aws=options_pb2.AwsOptions(tags=tags))
    yield (
        "options of Kubernetes",
        request(kubernetes=options_pb2.KubernetesOptions(type="kubernetes.io/tls", labels=tags)),
    )
    yield "options of others", request(other='{"a": {"b": [1, {"a": null}]}, "b": "{\\"b\\": 1, \\"b\\": 2}"}')
    yield "options of others, 8,192 bytes", request(other='{"a":"' + "x" * 8_184 + '"}')


_SIZES = [
    *[("password", 0), ("password", 8), ("password", 1_024), ("hex", 0), ("hex", 8), ("base64", 1_024)],
    *[("ed25519", 0), ("rsa", 0), ("rsa", 2_048), ("rsa", 3_072), ("rsa", 4_096)],
]

_PLAIN = {"key": "a", "kind": "hex"}


def _text(text: str, key: str = "z") -> dict[str, Any]:
    return {"key": key, "kind": "text", "text": text}


def _fixed(text: str, key: str = "a") -> dict[str, Any]:
    return {"key": key, "kind": "fixed", "text": text}


_TEXTS: dict[str, list[dict[str, Any]]] = {
    "a URL": [_PLAIN, _fixed("orders b", "user.name"), _text("db://{user.name|url}:{a|url}@db/{user.name}")],
    "JSON": [_PLAIN, _text('{{"a":"{a|json}"}}')],
    "braces": [_PLAIN, _text("{{{a}}}{{}}}}{{")],
    "line feeds": [_fixed("a\n\nb"), _text("{a}\n")],
    "128 and 2,048 characters": [_fixed("\U0001f511" * 128), _text("{a}" + "\u00e4" * 2_045)],
    "8,192 bytes": [_PLAIN, *(_text("{a}" + "x" * 2_045, f"k{index}") for index in range(4))],
    "8,192 bytes of fewer characters": [
        *(_fixed("x"), _fixed("\u00e4" * 4, "b")),
        _text("{a}" + "\U0001f511" * 2_045),
    ],
}
_BAD_TEXTS: dict[str, list[dict[str, Any]]] = {
    "none of a text": [_PLAIN, _text("")],
    "none of a fixed": [_fixed("")],
    "129 characters of a fixed": [_fixed("x" * 129)],
    "2,049 characters of a text": [_PLAIN, _text("{a}" + "x" * 2_046)],
    "8,193 bytes": [_fixed("x"), *(_text("{a}" + "x" * 2_045, f"k{index}") for index in range(4))],
    "8,193 bytes of fewer characters": [
        *(_fixed("xx"), _fixed("\u00e4" * 4, "b")),
        _text("{a}" + "\U0001f511" * 2_045),
    ],
    "of a hex": [_PLAIN | {"text": "x"}],
    "a text with a size": [_PLAIN, _text("{a}") | {"size": 8}],
    "a fixed with a size": [_fixed("x") | {"size": 8}],
    "a fixed with a carriage return": [_fixed("x\r\n")],
    "a text with a right-to-left mark": [_PLAIN, _text("{a}\u200f")],
    "a text without a reference": [_PLAIN, _text("{{a}}")],
    "a text that refers to itself": [_PLAIN, _text("{a}{z}")],
    "a text that refers to a text": [_PLAIN, _text("{a}", "y"), _text("{y}")],
    "a text that refers to nothing": [_PLAIN, _text("{a}{b}")],
    "a key in capitals": [_PLAIN, _text("{A}")],
    "an unknown filter": [_PLAIN, _text("{a|hex}")],
    "a filter in capitals": [_PLAIN, _text("{a|URL}")],
    "an empty filter": [_PLAIN, _text("{a|}")],
    "two filters": [_PLAIN, _text("{a|json|url}")],
    "a space in a reference": [_PLAIN, _text("{ a}")],
    "an empty reference": [_PLAIN, _text("{a}{}")],
    "a filter of nothing": [_PLAIN, _text("{a}{|url}")],
    "a brace that opens": [_PLAIN, _text("{a}{")],
    "a brace that closes": [_PLAIN, _text("{a}}")],
    "a brace after a doubled one": [_PLAIN, _text("{{a}")],
}

Bad = Iterator[tuple[str, upload_pb2.UploadRequest, str]]


def _bad_heads() -> Bad:
    for size in (0, 15, 17):
        yield f"request id of {size} bytes", request(request_id=bytes(size)), "request_id"
    for number in (0, 12, 99):
        yield f"purpose {number}", request(number), "purpose"
    for uri in ("", "vault://", "app/db", "vault://app/../db"):
        yield f"URI {uri!r}", request(uri=uri), "uri"
    for purpose in ("UPLOAD", "PATCH", "DELETE", "UNDELETE"):
        yield f"{purpose} that expects nothing stated", request(purpose, expect=0), "expect"
    for purpose in ("PATCH", "DELETE", "UNDELETE"):
        yield f"{purpose} where nothing is", request(purpose, expect=upload_pb2.EXPECT_ABSENT), "expect"
    for purpose in ("COMPARE", "VERIFY", "IMPORT", "LIST"):
        yield f"{purpose} that expects ANY", request(purpose, expect=upload_pb2.EXPECT_ANY), "expect"
    yield "expectation 5", request(expect=5), "expect"
    yield "version without VERSION", request(expect_version="1"), "expect_version"
    for name, version in {
        "none": "",
        "257": "x" * 257,
        "a space": "a b",
        "DEL": "a\x7f",
        "an umlaut": "\u00e4",
    }.items():
        message = request(expect=upload_pb2.EXPECT_VERSION, expect_version=version)
        yield f"version of {name}", message, "expect_version"
    for name, suites in {"none": [], "nine": range(1, 10), "one twice": [1, 2, 1], "zero": [1, 0]}.items():
        yield f"suites: {name}", request(suites=list(suites)), "suites"


def _bad_notes() -> Bad:
    for name, labels in {
        "seventeen": [(f"l{index:02}", "") for index in range(17)],
        "out of order": [("b", ""), ("a", "")],
        "one twice": [("a", "1"), ("a", "2")],
        "empty name": [("", "")],
        "name of 64": [("a" * 64, "")],
        "capital": [("A", "")],
        "name that ends in a dot": [("a.", "")],
        "value of 129": [("a", "x" * 129)],
        "value with a line feed": [("a", "x\ny")],
        "value with a no-break space": [("a", "x\u00a0y")],
        "value with a right-to-left mark": [("a", "x\u200fy")],
    }.items():
        yield f"labels: {name}", request(labels=[_LABEL(name=one, value=value) for one, value in labels]), "labels"
    for day in ("2027-1-1", "2027-02-29", "2027-13-01", "2027-00-10", "0000-01-01", "2027-01-01T00", "tomorrow"):
        yield f"day {day}", request(expires_on=day), "expires_on"
    yield "labels kept and given", request(keep_labels=True, labels=[_LABEL(name="a")]), "labels"
    yield "day kept and given", request(keep_expires_on=True, expires_on="2027-01-01"), "expires_on"


def _bad_own_fields() -> Bad:
    own: dict[str, Any] = {
        "destroy": True,
        "remove_keys": ["a"],
        "labels": [_LABEL(name="a")],
        "expires_on": "2027-01-01",
        "recipes": [_RECIPE(key="a", kind="hex")],
        "destination": "local://app/db",
        "keys": ["a"],
        "keep_labels": True,
        "keep_expires_on": True,
        "to_version": "1",
        "list_after": "a",
    }
    has = {
        "DELETE": {"destroy"},
        "PATCH": {"remove_keys"},
        "LIST": {"list_after"},
        "VERIFY": set[str](),
        "IMPORT": set[str](),
    }
    for purpose, fields in has.items():
        for field in sorted(own.keys() - fields):
            yield f"{purpose} with {field}", request(purpose, **{field: own[field]}), field
        if purpose != "PATCH":
            yield f"{purpose} with options", request(purpose, other="{}"), "options"
    for field in ("destroy", "remove_keys", "recipes", "destination", "keys", "to_version", "list_after"):
        yield f"UPLOAD with {field}", request(**{field: own[field]}), field
    for name, keys in {
        "65": [f"k{i:02}" for i in range(65)],
        "unsorted": ["b", "a"],
        "twice": ["a", "a"],
        "bad": ["..a"],
    }.items():
        yield f"keys to remove: {name}", request("PATCH", remove_keys=keys), "remove_keys"
        yield f"keys to copy: {name}", request("COPY", destination="local://app/db", keys=keys), "keys"
    for name, place in {"none": "", "bad": "local://", "itself": URI}.items():
        yield f"COPY to {name}", request("COPY", destination=place), "destination"
    for name, version in {"none": "", "a space": "a b", "257": "x" * 257}.items():
        yield f"ROLLBACK to {name}", request("ROLLBACK", to_version=version), "to_version"
    for name in (".a", "a//", "/", "a/b"):
        yield f"LIST after {name}", request("LIST", list_after=name), "list_after"


def _bad_generations() -> Bad:
    for name, recipes in _bad_recipes().items():
        yield (
            f"recipes: {name}",
            request("GENERATE", recipes=[_RECIPE(key=k, kind=i, size=s) for k, i, s in recipes]),
            "recipes",
        )
    for name, texts in _BAD_TEXTS.items():
        yield f"texts: {name}", request("GENERATE", recipes=[_RECIPE(**one) for one in texts]), "recipes"


def _bad_recipes() -> dict[str, list[tuple[str, str, int]]]:
    return {
        "none": [],
        "65": [(f"k{index:02}", "hex", 0) for index in range(65)],
        "unsorted": [("b", "hex", 0), ("a", "hex", 0)],
        "a key twice": [("a", "hex", 0), ("a", "hex", 0)],
        "a bad key": [(".", "hex", 0)],
        "an unknown kind": [("a", "dsa", 0)],
        "password of 7": [("a", "password", 7)],
        "hex of 1,025": [("a", "hex", 1_025)],
        "rsa of 1,024": [("a", "rsa", 1_024)],
        "ed25519 with a size": [("a", "ed25519", 256)],
        "five RSA keys": [(f"k{index}", "rsa", 0) for index in range(5)],
    }


def _bad_options() -> Bad:
    yield "unknown choice of Vault", request(vault=options_pb2.VaultOptions(binary=2)), "vault.binary"  # type: ignore[arg-type]
    pairs = {"unsorted": ("b", "a"), "twice": ("a", "a"), "in the order of UTF-16": ("\U0001f511", "\uff5e")}
    for name, names in pairs.items():
        labels = [_LABEL(name=one) for one in names]
        yield f"tags {name}", request(aws=options_pb2.AwsOptions(tags=labels)), "aws.tags"
        yield (
            f"labels of Kubernetes {name}",
            request(kubernetes=options_pb2.KubernetesOptions(labels=labels)),
            "kubernetes.labels",
        )
    texts = {
        "none": "",
        "no JSON": "{a:1}",
        "NaN": '{"a":NaN}',
        "a list": "[]",
        "a text": '"a"',
        "a member twice": '{"a":1,"a":1}',
        "a member twice, once escaped": '{"a":1,"\\u0061":1}',
        "a member twice, deep inside": '{"a":[{"b":{"c":1,"c":2}}]}',
        "something behind it": "{} {}",
        "a byte order mark": "\ufeff{}",
        "8,193 bytes": '{"a":"' + "x" * 8_185 + '"}',
    }
    for name, text in texts.items():
        yield f"options of others: {name}", request(other=text), "other"


def _bad_bytes() -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    """Changes of a good request (id, purpose, uri, expect, suites) after which it is in another form."""
    yield "bytes of a field cut short", lambda content: content[:-1]
    yield "an unknown field", lambda content: content + b"\xa2\x06\x00"
    yield "an unknown number", lambda content: content + b"\xa0\x06\x01"
    yield "a default that is written", lambda content: content + b"\x38\x00"
    yield "an empty text that is written", lambda content: content + b"\x52\x00"
    yield "fields out of their order", lambda content: content[18:20] + content[:18] + content[20:]
    yield "a field twice", lambda content: content + b"\x10\x01"
    yield "a number with a byte more", lambda content: content[:19] + b"\x81\x00" + content[20:]
    yield "a length with a byte more", lambda content: content[:1] + b"\x90\x00" + content[2:]
    yield "a tag with a byte more", lambda content: b"\x8a\x00" + content[1:]
    yield "suites one by one", lambda content: content[:-3] + b"\x30\x01"
    yield "suites in two parts", lambda content: content[:-3] + b"\x32\x01\x01\x32\x01\x02"
    yield "a number as a text", lambda content: content[:18] + b"\x12\x01\x01" + content[20:]
    yield "a text that is not UTF-8", lambda content: content.replace(b"app", b"a\xffp")
    yield "a text with a surrogate", lambda content: content.replace(b"app", b"\xed\xa0\x80")
    yield "field 0", lambda content: b"\x02\x00" + content
    yield "a suite of more than 32 bits", lambda content: content[:-3] + b"\x32\x05\x81\x80\x80\x80\x10"
