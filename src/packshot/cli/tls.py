"""HTTPS for a laptop: a throw-away authority, and the variables that make clients trust it."""

from pathlib import Path

import trustme

from packshot.cli.printed import quoted

AUTHORITY = "authority.pem"
CHAIN = "server.pem"
KEY = "server.key"
_NAMES = ("localhost", "127.0.0.1", "::1")
_VARIABLES = {
    "REQUESTS_CA_BUNDLE": "Python: requests, b24pysdk",
    "SSL_CERT_FILE": "Python: httpx, aiohttp, urllib",
    "NODE_EXTRA_CA_CERTS": "Node: axios, fetch, b24jssdk",
    "CURL_CA_BUNDLE": "curl",
}


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """The chain and key files for HTTPS on *host*, made once and kept in `tls-dev` of the data folder.

    The authority's own key is never written down, so nobody can issue anything else in its name.
    """
    place = folder / "tls-dev" / (host.replace(":", "_") if host not in _NAMES else "local")
    if not all((place / name).exists() for name in (AUTHORITY, CHAIN, KEY)):
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        issuer = trustme.CA(organization_name="Packshot development")
        issued = issuer.issue_cert(*dict.fromkeys((*_NAMES, host if host not in {"0.0.0.0", "::"} else "localhost")))  # noqa: S104 - compared, not bound
        issued.private_key_pem.write_to_path(place / KEY)
        (place / KEY).chmod(0o600)
        issued.cert_chain_pems[0].write_to_path(place / CHAIN)
        issuer.cert_pem.write_to_path(place / AUTHORITY)
    return place / CHAIN, place / KEY


def authority(chain: Path) -> Path:
    """The absolute path of the authority's certificate behind *chain*: what clients have to trust."""
    return (chain.parent / AUTHORITY).resolve()


def variables(authority: Path) -> dict[str, str]:
    """The environment variables that make common clients trust that authority."""
    return dict.fromkeys(_VARIABLES, str(authority))


def trust(chain: Path) -> list[str]:
    """Lines to paste that make common clients trust the authority behind *chain*."""
    path = quoted(authority(chain))
    exports = [(f"export {name}={path}", clients) for name, clients in _VARIABLES.items()]
    width = max(len(command) for command, _ in exports)
    return [
        *(f"{command:{width}}  # {clients}" for command, clients in exports),
        f"php -d curl.cainfo={path} -d openssl.cafile={path} your-script.php",
    ]
