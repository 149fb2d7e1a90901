"""Download links: signed, expiring addresses of exactly one original.

A link dies with its image, with the credential that asked for it, and with its time. The token follows the
documented anatomy, `catalog|<base64 of a query>|<signature>`, so a script that takes the image's id out of the
query still can.
"""

import hmac
import re

import pybase64

from packshot.domain.access import Principal
from packshot.domain.errors import NotFound, Unauthenticated
from packshot.domain.originals import Original
from packshot.services.core import Core
from packshot.storage import credentials, images

MODULE = "catalog"

_CLAIMS = re.compile(rb"id=(\d{1,18})&account=(\d{1,18})&credential=(\d{1,18})&key=(\d{1,9})&until=(\d{1,12})")


def sign(core: Core, caller: Principal, image_id: int) -> str:
    """A token for the image's original that only this caller's credential keeps alive, as it stands in an address."""
    key_id = max(core.signing_keys)
    until_s = int(core.clock()) + core.downloads.webhook_ttl_s
    query = _encode(
        b"id=%d&account=%d&credential=%d&key=%d&until=%d"
        % (image_id, caller.account_id, caller.credential_id, key_id, until_s)
    )
    return f"{MODULE}%7C{query}%7C{_signature(core.signing_keys[key_id], query)}"


async def open_link(core: Core, token: str) -> Original:
    """The original a token gives access to.

    The signature is checked before anything is looked up.

    Raises:
        Unauthenticated: the token is forged, has expired, or its credential is gone.
        NotFound: the image was deleted.
    """
    image_id, account_id, credential_id, until_s = _verified(core, token)
    if until_s < core.clock():
        raise Unauthenticated("expired")
    if not await credentials.webhook_is_valid(core.db, account_id, credential_id, core.now()):
        raise Unauthenticated("forged")
    original = await images.find_original(core.db, account_id, image_id)
    if original is None:
        raise NotFound("image", image_id)
    return original


async def open_address(core: Core, address: str) -> Original:
    """The original behind an image's public address. Raises: NotFound."""
    original = await images.find_original_at(core.db, address)
    if original is None:
        raise NotFound("image", address)
    return original


def _verified(core: Core, token: str) -> tuple[int, int, int, int]:
    """(image, account, credential, until) of a token that is ours. Raises: Unauthenticated."""
    module, _, rest = token.partition("|")
    query, _, signature = rest.partition("|")
    claims = _CLAIMS.fullmatch(_decode(query))
    if module != MODULE or claims is None:
        raise Unauthenticated("forged")
    image_id, account_id, credential_id, key_id, until_s = map(int, claims.groups())
    key = core.signing_keys.get(key_id)
    # Compared as text: base64 has several spellings of the same bytes, and only ours is good.
    if key is None or not hmac.compare_digest(signature.encode(), _signature(key, query).encode()):
        raise Unauthenticated("forged")
    return image_id, account_id, credential_id, until_s


def _signature(key: bytes, query: str) -> str:
    return _encode(hmac.digest(key, f"{MODULE}|{query}".encode(), "sha256"))


def _encode(data: bytes) -> str:
    return pybase64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return pybase64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
    except ValueError:
        return b""
