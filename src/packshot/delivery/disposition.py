"""The Content-Disposition header, by RFC 6266 and RFC 8187."""

import re
import unicodedata
from typing import Literal
from urllib.parse import quote

# RFC 8187: the characters that an extended value may hold unescaped.
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"
_UNSAFE = re.compile(r"[^ !#-\[\]-~]|%")


def content_disposition(kind: Literal["attachment", "inline"], name: str) -> bytes:
    """`attachment; filename="..."`, with `filename*` beside it where the plain one cannot say it all.

    The plain name is ASCII with `_` for everything that old clients read in different ways: quotes,
    backslashes, percent signs and whatever is not ASCII.
    """
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFKD", name).encode("ascii", "replace").decode().replace("?", "_"))
    header = f'{kind}; filename="{plain}"'
    if plain != name:
        header += f"; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_CHARACTERS)}"
    return header.encode("ascii")
