"""The steps `folder` and `tls`: m8's folder with its keys, and the certificate that it presents."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from monoskope.checks.certificate import names_of
from monoskope.errors import AlreadyExistsError, UsageError
from monoskope.host_port import HostPort, parse_server
from monoskope.m8 import settings
from monoskope.m8.cli.setup.context import Setup
from monoskope.m8.http.presented import PresentedCertificate, read_certificate_file
from monoskope.m8.http.tls import LOCAL_NAMES
from monoskope.m8.init import UNFINISHED, lay_out, make_folder
from monoskope.systemd import check_path, check_seen

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - people are to reach it


def lay_out_folder(setup: Setup) -> str:
    """Make the folder with settings, keys, CA and certificate, and return what was done."""
    if setup.file.exists():
        # The last thing of all may be missing after a stop.
        (setup.folder / UNFINISHED).unlink(missing_ok=True)
        _check_same(setup)
        return f"m8 is in {setup.folder} already; nothing was changed"
    if setup.is_guided:
        check_path(setup.folder)
    names = setup.names
    if setup.is_guided and not names:
        names = (str(parse_server(setup.asked.get("name", _check_name))),)
    listen = HostPort.parse(setup.listen or _listen(names, is_guided=setup.is_guided))
    if setup.is_guided:
        make_folder(setup.folder)
        setup.asked.keep()
    lay_out(
        setup.folder,
        listen,
        names=names,
        keep_ca_key=setup.keeps_ca_key,
        log_origin=setup.log_origin,
        database={} if setup.is_guided else setup.database,
    )
    return f"m8 is ready in {setup.folder}"


def _check_name(text: str) -> None:
    parse_server(text)


def _listen(names: tuple[str, ...], *, is_guided: bool) -> str:
    """Return where a server listens: people who reach it by a name come from other machines."""
    usual = HostPort.parse(settings.DEFAULT_LISTEN)
    if not is_guided or not names:
        return str(usual)
    first = parse_server(names[0])
    is_local = first.host in {"localhost", usual.host}
    return str(HostPort(usual.host if is_local else _EVERYWHERE, first.port))


def _check_same(setup: Setup) -> None:
    """Raise `AlreadyExistsError` if the command line wants another server than the one that is there."""
    file = setup.loaded().file
    wanted = {"listen": setup.listen, **setup.database}
    found = [name for name, value in wanted.items() if value and value != getattr(file, name)]
    port = HostPort.parse(file.listen).port
    if not {name if ":" in name else f"{name}:{port}" for name in setup.names} <= set(file.names):
        found.append("names")
    if found and not setup.is_guided:
        raise AlreadyExistsError(
            f"{setup.folder} already holds {settings.SETTINGS_FILE}, with another {', '.join(found)}.",
            fix="Nothing was changed. Edit that file, or name another folder with --dir.",
        )


def choose_certificate(setup: Setup) -> str:
    """Let m8 present the certificate of an ACME client, or the one that its private CA signed."""
    loaded = setup.loaded()
    own = settings.File()
    if loaded.file.tls_certificate != own.tls_certificate:
        return f"m8 presents {loaded.tls_certificate}"
    name = setup.asked.get("certificate", lambda text: _check_certificate(setup, text))
    if not name:
        return f"m8 presents a certificate of its own CA, {setup.folder / 'ca.crt'}"
    setup.add(_certificate(setup, name))
    return f"m8 presents {name}, and takes a renewed one by itself"


def _certificate(setup: Setup, name: str) -> dict[str, str]:
    file = Path(name).absolute()
    key = Path(setup.asked.known("certificate_key") or file.with_name("privkey.pem"))
    return {"tls_certificate": str(file), "tls_key": str(key.absolute())}


def _check_certificate(setup: Setup, name: str) -> None:
    """Raise unless m8 would present these files, for each name by which people reach it."""
    if not name:
        return
    files = _certificate(setup, name)
    for file in files.values():
        fix = "Let the ACME client put both files elsewhere: a copy made now would not be renewed."
        check_seen(Path(file), setup.folder, fix=fix)
    found, _ = setup.with_added(files)
    PresentedCertificate(found).context()
    carried = {one.lower() for one in names_of(x509.load_pem_x509_certificates(read_certificate_file(found))[0])}
    hosts = [one.host.lower() for one in found.names if one.host not in LOCAL_NAMES]
    missing = [host for host in hosts if not carried & {host, f"*.{host.partition('.')[2]}"}]
    if missing:
        raise UsageError(f"the certificate in {name} is not for {', '.join(missing)}.", fix="Name the one that is.")
