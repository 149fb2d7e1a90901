"""Download links: signed, expiring addresses of exactly one original.

A link dies with its image, with the credential that asked for it, and with its time. The token keeps the
documented anatomy (module, query, payload, signature), so a script that takes the image id out of it still can.
It needs no escaping in an address, but for the bars, which `sign` has escaped.
"""

import hmac

import msgspec
import pybase64

from packshot.domain.access import Principal
from packshot.domain.errors import NotFound, Unauthenticated
from packshot.domain.originals import Original
from packshot.services.core import Core
from packshot.storage import credentials, images

MODULE = "catalog"

_encoder = msgspec.json.Encoder()


class _Claims(msgspec.Struct, frozen=True, array_like=True):
    image_id: int
    account_id: int
    credential_id: int
    key_id: int
    expires_s: int


def sign(core: Core, caller: Principal, image_id: int) -> str:
    """A token for the image's original that only this caller's credential keeps alive, as it stands in an address."""
    key_id = max(core.signing_keys)
    expires_s = int(core.clock()) + core.downloads.webhook_ttl_s
    claims = _Claims(image_id, caller.account_id, caller.credential_id, key_id, expires_s)
    query, payload = _encode(b"id=%d" % image_id), _encode(_encoder.encode(claims))
    signature = _signature(core.signing_keys[key_id], f"{query}|{payload}").decode()
    return f"{MODULE}%7C{query}%7C{payload}.{signature}"


async def open_link(core: Core, token: str) -> Original:
    """The original a token gives access to.

    The signature is checked before anything is looked up.

    Raises:
        Unauthenticated: the token is forged, has expired, or its credential is gone.
        NotFound: the image was deleted.
    """
    claims = _verified(core, token)
    if claims.expires_s < core.clock():
        raise Unauthenticated("expired")
    if not await credentials.webhook_is_valid(core.db, claims.account_id, claims.credential_id, core.now()):
        raise Unauthenticated("forged")
    original = await images.find_original(core.db, claims.account_id, claims.image_id)
    if original is None:
        raise NotFound("image", claims.image_id)
    return original


async def open_address(core: Core, address: str) -> Original:
    """The original behind an image's public address. Raises: NotFound."""
    original = await images.find_original_at(core.db, address)
    if original is None:
        raise NotFound("image", address)
    return original


def _verified(core: Core, token: str) -> _Claims:
    module, _, rest = token.partition("|")
    signed, _, signature = rest.rpartition(".")
    try:
        claims = msgspec.json.decode(_decode(signed.partition("|")[2]), type=_Claims)
    except (ValueError, msgspec.MsgspecError):
        raise Unauthenticated("forged") from None
    key = core.signing_keys.get(claims.key_id)
    # Compared as text: base64 has several spellings of the same bytes, and only ours is good.
    if module != MODULE or key is None or not hmac.compare_digest(signature.encode(), _signature(key, signed)):
        raise Unauthenticated("forged")
    return claims


def _signature(key: bytes, signed: str) -> bytes:
    return _encode(hmac.digest(key, signed.encode(), "sha256")).encode()


def _encode(data: bytes) -> str:
    return pybase64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return pybase64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
