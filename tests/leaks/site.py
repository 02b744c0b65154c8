"""What the programs under test load when they start: controls to be found, and what notes one-time keys."""

from __future__ import annotations

SITE = """
import os, pathlib, sys

if any(word in sys.orig_argv for word in ("run", "serve", "console")):
    import tempfile

    planted = [bytes.fromhex(line) for line in pathlib.Path(__file__).with_name("planted").read_text().split()]
    without_name = tempfile.TemporaryFile()
    without_name.write(b"\\n".join(planted))
    without_name.flush()

if "run" in sys.orig_argv:
    from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

    def noted(kind, file):
        # The bytes of a key are written inverted, so that no copy of them is made here that would be found.
        class Like(type):
            def __instancecheck__(cls, key):
                return isinstance(key, kind)

        class Noted(metaclass=Like):
            @staticmethod
            def generate():
                key = kind.generate()
                turned = bytes(byte ^ 255 for byte in key.private_bytes_raw())
                with pathlib.Path(__file__).with_name(f"{file}-{os.getpid()}").open("a") as out:
                    out.write(turned.hex() + "\\n")
                return key

        return Noted

    alive = [noted(kind, "keys-alive").generate() for kind in (mlkem.MLKEM768PrivateKey, x25519.X25519PrivateKey)]
    mlkem.MLKEM768PrivateKey = noted(mlkem.MLKEM768PrivateKey, "keys-used")
    x25519.X25519PrivateKey = noted(x25519.X25519PrivateKey, "keys-used")
"""
"""The `sitecustomize` of a cluster's programs. The controls are in their memory, and in a file that has no name."""
