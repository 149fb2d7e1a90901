"""Renditions at `/i/<image key>/<preset or spec>/<file name>`, and what is said of the picture at `.../about.json`."""

from collections.abc import Callable
from urllib.parse import parse_qs

import msgspec

from packshot.delivery import door
from packshot.delivery.sending import SHORT_S, Headers, Scope, Send, public, send_bytes, send_json
from packshot.domain.images import RENDITIONS_PREFIX
from packshot.domain.renditions import wished
from packshot.services import descriptions, links, renditions
from packshot.services.contents import Content
from packshot.services.core import Core

BaseUrl = Callable[[Scope, dict[bytes, bytes]], str]
"""By scope and headers, the address that a request was sent to."""

RECENT_S, RECENT, RECENT_BYTES = 1, 256, 64 * 1024
"""For how long, how many and up to which size renditions are held ready: pages with many visitors ask for few.

What another process deletes may be shown for so long; what this one deletes is gone at once.
"""

MAX_ACCEPT = 512
"""A longer `Accept` header says nothing: browsers send a third of that, and what it says is remembered."""

_Asked = tuple[str, str, str]
"""Image key, rendition, and the `Accept` header."""

_ABOUT = "about.json"
_NEGOTIATED: Headers = [(b"vary", b"Accept")]


class _Shown(msgspec.Struct, frozen=True):
    """What goes out, with its headers, and until when it may without another look, if nothing was written since.

    `writes` are those of the database by then. Without them it is not for everybody who asks for the same, or something
    better is being made.
    """

    content: Content
    headers: Headers
    writes: int | None
    until: float


def showing(base_url: BaseUrl) -> door.Show:
    """The door to them all."""
    recent: dict[_Asked, _Shown] = {}

    @door.guarded("about")
    async def describe(core: Core, scope: Scope, send: Send) -> None:
        picture = await renditions.picture_at(core, door.named(scope, RENDITIONS_PREFIX)[0])
        host = core.delivery.base_url or base_url(scope, dict(scope["headers"]))
        description = await descriptions.describe(core, picture, host)
        await send_json(send, 200, description, public(core.delivery, SHORT_S))

    @door.guarded("rendition")
    async def render(core: Core, scope: Scope, send: Send) -> None:
        asked = (*door.named(scope, RENDITIONS_PREFIX), _accept(scope))
        shown = recent.get(asked)
        # The clock may have been set back.
        if shown is None or shown.writes != core.db.writes or not 0 < shown.until - core.clock() <= RECENT_S:
            shown = await _looked_up(core, scope)
            _remember(recent, asked, shown)
        await send_bytes(scope, send, shown.content, "inline", shown.headers)

    async def show(core: Core, scope: Scope, send: Send) -> None:
        # What comes after a rendition is a file name, whatever it says.
        is_about = scope["path"].endswith(f"/{_ABOUT}") and door.named(scope, RENDITIONS_PREFIX)[1] == _ABOUT
        await (describe if is_about else render)(core, scope, send)

    return show


async def _looked_up(core: Core, scope: Scope) -> _Shown:
    """Presets are for everybody, other specs for who has a link. What is not there yet is made."""
    image_key, name = door.named(scope, RENDITIONS_PREFIX)
    wish = wished(name, core.presets)
    left_s = None if wish.named else links.check(core, image_key, name, _signature(scope))
    writes, until = core.db.writes if wish.named else None, core.clock() + RECENT_S  # of now: making it takes a while
    picture = await renditions.picture_at(core, image_key)
    served = await renditions.open_rendition(core, picture, wish, _accept(scope))
    ends_s = (left_s, None if served.lasting else SHORT_S)
    headers = public(core.delivery, min((end_s for end_s in ends_s if end_s is not None), default=None))
    headers += _NEGOTIATED if served.by_accept else []
    return _Shown(served.content, headers, writes if served.lasting else None, until)


def _remember(recent: dict[_Asked, _Shown], asked: _Asked, shown: _Shown) -> None:
    if shown.writes is not None and shown.content.size_bytes <= RECENT_BYTES:
        if len(recent) >= RECENT:
            recent.clear()
        recent[asked] = shown


def _accept(scope: Scope) -> str:
    said = b",".join(value for key, value in scope["headers"] if key == b"accept")
    return said.decode("latin-1") if len(said) <= MAX_ACCEPT else ""


def _signature(scope: Scope) -> str:
    given = parse_qs(str(scope["query_string"], "latin-1"))
    return given.get("signature", [""])[0]
