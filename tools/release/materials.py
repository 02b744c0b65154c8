"""The bill of materials: what an installation consists of, in CycloneDX 1.6, the same for the same commit."""

from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.exception import CycloneDxException
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from tools.image_requirements import needed
from tools.release.built import NPM
from tools.release.pinned import requirements

EXTRAS = ("m8", "reactor", "postgres", "backup", "keyring", "traces", "age", "aws")
"""The extras of what people run. What only tests need is no part of an installation."""

NPM_LOCKS = (Path("console") / "package-lock.json", NPM / "package-lock.json")
"""What the page of `monoctl console` was bundled from, and what the npm package needs."""

_LICENSES = LicenseFactory()


def bill_of_materials(root: Path, *, commit: str, seconds: str) -> str:
    """Return the bill of materials as JSON. It names what is locked for Linux, with every hash of the lock.

    Raises:
        ValueError: what was made is no valid CycloneDX 1.6.
    """
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"https://github.com/finleap-connect/monoskope@{commit}"))
    bom.metadata.timestamp = datetime.fromtimestamp(int(seconds), tz=UTC)
    version = metadata.version("monoskope")
    main = Component(
        name="monoskope",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref="monoskope",
        purl=PackageURL("pypi", None, "monoskope", version),
        licenses=[_LICENSES.make_from_string("Apache-2.0")],
        properties=[Property(name="commit", value=commit)],
    )
    bom.metadata.component = main
    components = [*_python(root), *(component for lock in NPM_LOCKS for component in _npm(root / lock, root))]
    for component in components:
        bom.components.add(component)
    bom.register_dependency(main, components)
    text = JsonV1Dot6(bom).output_as_string(indent=2)
    if (trouble := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)) is not None:
        raise ValueError(f"the bill of materials is no valid CycloneDX 1.6: {trouble}")
    return text + "\n"


def _python(root: Path) -> Iterator[Component]:
    wanted = needed("monoskope", EXTRAS) - {"monoskope"}
    for first, more in requirements(root / "requirements" / "dev.txt"):
        name, version = re.split(r"==|[\s;\\]", first)[:2]
        name = canonicalize_name(name.partition("[")[0])
        if name not in wanted:
            continue
        wanted.remove(name)
        yield Component(
            name=name,
            version=version,
            bom_ref=f"pypi:{name}",
            purl=PackageURL("pypi", None, name, version),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=line.split("sha256:")[1][:64]) for line in more],
            licenses=_license(metadata.metadata(name)),
        )
    if wanted:
        raise ValueError(f"not in requirements/dev.txt: {', '.join(sorted(wanted))}")


def _license(about: metadata.PackageMetadata) -> Iterable[License]:
    named = [text for field in ("License-Expression", "License") for text in about.get_all(field) or ()]
    for text in (*named, *_classified(about)):
        if not text or "\n" in text:
            continue
        try:
            return [_LICENSES.make_from_string(text)]
        except CycloneDxException:
            continue
    return []


def _classified(about: metadata.PackageMetadata) -> list[str]:
    found = about.get_all("Classifier") or ()
    return [line.rpartition(" :: ")[2] for line in found if line.startswith("License :: ")]


def _npm(lock: Path, root: Path) -> Iterator[Component]:
    for place, package in json.loads(lock.read_text(encoding="utf-8"))["packages"].items():
        if not place or package.get("dev") or package.get("link"):
            continue
        group, _, name = place.rpartition("node_modules/")[2].rpartition("/")
        digest = base64.b64decode(package["integrity"].removeprefix("sha512-"))
        yield Component(
            name=name,
            group=group or None,
            version=package["version"],
            bom_ref=f"npm:{lock.parent.relative_to(root)}:{place}",
            purl=PackageURL("npm", group or None, name, package["version"]),
            hashes=[HashType(alg=HashAlgorithm.SHA_512, content=digest.hex())],
            licenses=[_LICENSES.make_from_string(package["license"])] if package.get("license") else [],
        )
