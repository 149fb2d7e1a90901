"""Links to renditions that are no presets: signed, since each may cost the server a rendering.

A link names the spec and, if it shall, the second it is good until. It dies with its image.
"""

import hashlib
import hmac
import struct

import pybase64

from packshot.domain.errors import Unauthenticated
from packshot.services.core import Core

_CLAIMS = struct.Struct(">II")
"""Signing key, and the Unix second the link is good until; 0 for ever."""

_PLAIN = str.maketrans("-_", "+/")
_MAC_BYTES = 25  # with the claims a multiple of three, which needs no padding in base64


def sign(core: Core, image_key: str, rendition: str, until_s: int = 0) -> str:
    """The signature of a rendition of an image, as it stands in the query of its address."""
    return _signature(core, max(core.signing_keys), image_key, rendition, until_s)


def check(core: Core, image_key: str, rendition: str, signature: str) -> int | None:
    """For how many seconds a link is good, None if it is for ever. Nothing is looked up for that.

    Raises:
        Unauthenticated: it has no signature or a forged one, or its time is over.
    """
    if not signature:
        raise Unauthenticated("absent")
    try:
        key_id, until_s = _CLAIMS.unpack(pybase64.b64decode(signature.translate(_PLAIN), validate=True)[: _CLAIMS.size])
        good = _signature(core, key_id, image_key, rendition, until_s)
    except (ValueError, struct.error, KeyError):
        raise Unauthenticated("forged") from None
    # Compared as text: base64 has several spellings of the same bytes, and only ours is good.
    if not hmac.compare_digest(signature.encode(), good.encode()):
        raise Unauthenticated("forged")
    if not until_s:
        return None
    if (left_s := int(until_s - core.clock())) < 0:
        raise Unauthenticated("expired")
    return left_s


def _signature(core: Core, key_id: int, image_key: str, rendition: str, until_s: int) -> str:
    claims = _CLAIMS.pack(key_id, until_s)
    # An address's version is no part of what is signed: a link shows the newest.
    text = f"{image_key.partition('-')[0]}/{rendition}".encode()
    mac = hashlib.blake2b(claims + text, key=core.signing_keys[key_id], digest_size=_MAC_BYTES, person=b"rendition")
    return pybase64.b64encode(claims + mac.digest(), b"-_").decode()
