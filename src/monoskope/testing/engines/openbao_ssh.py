"""OpenBao's SSH engine as a certificate authority: it signs users' keys for some hours, for one principal each."""

from __future__ import annotations

from pathlib import Path

from monoskope.testing.engines.openbao_admin import Admin

HOURS = 8
"""How long a certificate is valid: a working day."""


class SshCa:
    """An SSH engine with an Ed25519 key of its own at `mount`.

    Args:
        bao: A server that runs.
        mount: Where the engine is, or will be.
    """

    def __init__(self, bao: Admin, mount: str = "ssh") -> None:
        self._bao = bao
        self.mount = mount

    def create(self) -> None:
        """Mount the engine and let it make its key. Raises `OpenBaoError` if something is mounted there."""
        self._bao.call("POST", f"sys/mounts/{self.mount}", {"type": "ssh"})
        self._bao.call("POST", f"{self.mount}/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})

    @property
    def public_key(self) -> str:
        """The authority's public key, as OpenSSH writes it: what an allowed_signers file names."""
        return str(self._bao.call("GET", f"{self.mount}/config/ca")["data"]["public_key"]).strip()

    def allow(self, role: str, principals: str, *, hours: int = HOURS) -> None:
        """Let the holders of `role` have certificates for one of `principals`.

        Args:
            role: Its name.
            principals: One name, or several with commas. A template such as
                `{{identity.entity.aliases.ACCESSOR.metadata.email}}` stands for the name that came from the login.
            hours: The longest, and usual, life of a certificate.
        """
        self._bao.call(
            "POST",
            f"{self.mount}/roles/{role}",
            {
                "key_type": "ca",
                "allow_user_certificates": True,
                "allowed_users": principals,
                "allowed_users_template": True,
                "default_user": principals.partition(",")[0],
                "default_user_template": True,
                "ttl": f"{hours}h",
                "max_ttl": f"{hours}h",
            },
        )

    def sign(self, role: str, public_key: Path, principal: str = "", *, token: str | None = None) -> Path:
        """Have a public key signed; write the certificate beside it as OpenSSH expects, and return its file.

        Args:
            role: One that `allow` made.
            public_key: A file `NAME.pub`; the certificate will be `NAME-cert.pub`.
            principal: For whom, "" for the role's first one.
            token: As in `Admin.call`.

        Raises:
            OpenBaoError: the role does not allow that.
        """
        body = {"public_key": public_key.read_text(encoding="ascii")}
        if principal:
            body["valid_principals"] = principal
        signed = self._bao.call("POST", f"{self.mount}/sign/{role}", body, token=token)["data"]["signed_key"]
        certificate = public_key.with_name(f"{public_key.name.removesuffix('.pub')}-cert.pub")
        certificate.write_text(signed, encoding="ascii")
        return certificate
