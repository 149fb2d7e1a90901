"""Download links: signed, expiring addresses of exactly one original.

A link dies with its image, with the credential that asked for it (or its user or account), and with its time: that of
an access token is over when the token is. A token has the three parts of the documented ones,
`catalog|<claims>|<signature>`, and is opaque to its holder.
"""

import hashlib
import hmac
import struct
from collections.abc import Callable

import pybase64

from packshot.domain.access import Principal
from packshot.domain.errors import NotFound, Unauthenticated
from packshot.domain.originals import Original
from packshot.services.core import LAST_S, Core
from packshot.storage import credentials, images, tokens

_CLAIMS = struct.Struct(">BQQQII")
"""What kind the credential is of (1: an access token), image, account, credential, signing key, and the Unix second it
is good until; 33 bytes need no padding in base64."""


def signer(core: Core, caller: Principal) -> Callable[[int], str]:
    """What makes tokens for images, as they stand in an address, that only this caller's credential keeps alive."""
    key_id = max(core.signing_keys)
    key = core.signing_keys[key_id]
    by_token = caller.expires_at is not None
    lasts_s = int(core.clock()) + core.downloads.webhook_ttl_s
    until_s = min(lasts_s, LAST_S) if caller.expires_at is None else caller.expires_at // 1_000_000

    def sign(image_id: int) -> str:
        claims = _CLAIMS.pack(by_token, image_id, caller.account_id, caller.credential_id, key_id, until_s)
        return _token(key, claims)

    return sign


async def open_link(core: Core, token: str) -> Original:
    """The original a token gives access to.

    The signature is checked before anything is looked up.

    Raises:
        Unauthenticated: the token is forged, has expired, or nobody would be let in with its credential any more.
        NotFound: the image was deleted.
    """
    by_token, image_id, account_id, credential_id, until_s = _verified(core, token)
    if until_s < core.clock():
        raise Unauthenticated("expired")
    is_valid = tokens.access_is_valid if by_token else credentials.webhook_is_valid
    if not await is_valid(core.db, account_id, credential_id, core.now()):
        raise Unauthenticated("forged")
    original = await images.find_original(core.db, account_id, image_id)
    if original is None:
        raise NotFound("image", image_id)
    return original


def _verified(core: Core, token: str) -> tuple[int, int, int, int, int]:
    """(kind, image, account, credential, until) of a token that is ours. Raises: Unauthenticated."""
    escaped = token.replace("|", "%7C")
    try:
        claims = pybase64.urlsafe_b64decode(token.split("|")[1])
        kind, image_id, account_id, credential_id, key_id, until_s = _CLAIMS.unpack(claims)
    except (ValueError, IndexError, struct.error):
        raise Unauthenticated("forged") from None
    key = core.signing_keys.get(key_id)
    # Compared as a whole and as text: base64 has several spellings of the same bytes, and only ours is good.
    if key is None or not hmac.compare_digest(escaped.encode(), _token(key, claims).encode()):
        raise Unauthenticated("forged")
    return kind, image_id, account_id, credential_id, until_s


def _token(key: bytes, claims: bytes) -> str:
    # Keyed BLAKE2 is a MAC by design, and half the cost of an HMAC.
    signature = hashlib.blake2b(claims, key=key, digest_size=24).digest()
    return f"catalog%7C{_encode(claims)}%7C{_encode(signature)}"


def _encode(data: bytes) -> str:
    """Base64 that an address can hold as it is."""
    return pybase64.b64encode(data, b"-_").decode()
