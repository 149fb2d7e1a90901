"""`packshot image`: images by hand, also those of products: where they stand, how they are shown, links to them."""

import dataclasses
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer

from packshot import config
from packshot.cli.common import Account, Config, Data, Result, of_store, one_of, owner, stop, with_core
from packshot.cli.printed import facts_of
from packshot.cli.serve import DEFAULT_DATA, DEFAULT_HOST, DEFAULT_PORT
from packshot.domain.access import Principal
from packshot.domain.errors import NotFound
from packshot.domain.images import ImageRole
from packshot.domain.libraries import LibraryImage
from packshot.domain.originals import Privacy
from packshot.services import hosting, pictures, setup
from packshot.services.core import Core
from packshot.services.pictures import Change, Described

cli = typer.Typer(help="Images: their places, how they are shown, and links to them.", no_args_is_help=True)

Image = Annotated[str, typer.Argument(metavar="IMAGE", help="The image's guid, or the id that Bitrix24 shows.")]
Use = Callable[[Core, Principal, str], Awaitable[Result]]

_ID = re.compile(r"[0-9]{1,18}")


@cli.callback()
def _group() -> None:
    pass


@cli.command(short_help="Make an image of the library one of a product.")
def attach(
    guid: Annotated[str, typer.Argument(metavar="GUID", help="The image's guid.")],
    product: Annotated[int, typer.Argument(metavar="PRODUCT", help="The product's id.")],
    role: Annotated[str, typer.Argument(metavar="ROLE", help="detail, preview or more.")],
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Make an image of the library one of a product, where Bitrix24 clients see it too, and print its id there.

    Its file has to be hosted here. On `detail` and `preview` it takes the place of the image there. An image of the
    temporary library moves into the inventory.
    """
    chosen: ImageRole = one_of("role", role, get_args(ImageRole))

    async def use(core: Core, caller: Principal, known: str) -> LibraryImage:
        return await hosting.attach(core, caller, known, product, chosen)

    typer.echo(_with_image(guid, (data, account, config_file), use).id)


@cli.command(short_help="Say which point of a picture to keep in view.")
def focus(
    image: Image,
    x: Annotated[float, typer.Argument(metavar="X", help="From 0, the left side, to 1.")],
    y: Annotated[float, typer.Argument(metavar="Y", help="From 0, the upper side, to 1.")],
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Say which point of a picture is kept in view where a rendition cuts it; 0.5 0.5 is the middle.

    Its addresses change with that; those it had before show the new renditions, too, as soon as caches ask again.
    """
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise stop("X and Y are numbers from 0 to 1, like 0.3 0.75")
    _change(image, (data, account, config_file), focus=(x, y))


@cli.command(short_help="Say what the public copy of an original loses.")
def privacy(
    image: Image,
    what: Annotated[str, typer.Argument(metavar="WHAT", help="strip_location, strip_all, keep or default.")],
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Say what the public copy of an image's original loses; `default` leaves that to `originals.privacy`."""
    known: Sequence[Privacy | str] = [*get_args(Privacy), "default"]
    chosen: Any = one_of("privacy", what, known)
    _change(image, (data, account, config_file), privacy=None if chosen == "default" else chosen)


@cli.command(short_help="Print the address of a rendition.")
def link(  # noqa: PLR0913 - one parameter for each argument and option
    image: Image,
    rendition: Annotated[str, typer.Argument(metavar="RENDITION", help="Like card, card@2x.webp or 800x600-cover.")],
    *,
    lasts_s: Annotated[
        int | None,
        typer.Option("--for", metavar="SECONDS", min=1, max=pictures.MAX_LASTS_S, help="How long it is good."),
    ] = None,
    url: Annotated[str, typer.Option(metavar="BASE", help="The address of the host it is on.")] = "",
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Print the address of a rendition, signed if it is no preset. Without --for it is good as long as the image."""

    async def use(core: Core, caller: Principal, guid: str) -> str:
        (path,) = await pictures.addresses(core, caller, guid, [rendition], lasts_s)
        return path

    path = _with_image(image, (data, account, config_file), use)
    typer.echo((url.rstrip("/") or _host(config_file)) + path)


@cli.command(short_help="Print what is known of a picture.")
def show(
    image: Image,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, for scripts.")] = False,
    data: Data = DEFAULT_DATA,
    account: Account = setup.ACCOUNT,
    config_file: Config = None,
) -> None:
    """Print size, colours, placeholder and renditions of a picture; one that nobody has decoded yet is decoded."""

    async def use(core: Core, caller: Principal, guid: str) -> tuple[str, Described | None]:
        said = await pictures.describe(core, caller, [guid], _host(config_file))
        if guid not in said:
            raise NotFound("image", guid)
        return guid, said[guid]

    guid, picture = _with_image(image, (data, account, config_file), use)
    if picture is None:
        raise stop(f"the file of {guid} lies with somebody else, is lost, or cannot be decoded")
    facts = {"guid": guid} | msgspec.to_builtins(picture)
    typer.echo(json.dumps(facts) if as_json else "\n".join(facts_of(_readable(facts))))


def _host(config_file: Path | None) -> str:
    settings = config.load(config_file)
    return settings.delivery.base_url or settings.server.public_url or f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"


def _readable(facts: dict[str, Any]) -> dict[str, object]:
    """The same without anything inside, and without what repeats the others."""
    point, renditions = facts["focus"], facts["renditions"]
    flat = {name: fact for name, fact in facts.items() if name not in {"renditions", "srcset"}}
    flat = {name: fact if isinstance(fact, str) else json.dumps(fact) for name, fact in flat.items()}
    flat |= {"focus": f"{point['x']} {point['y']}"}
    return flat | {name: f"{one['width']}x{one['height']} {one['url']}" for name, one in renditions.items()}


def _change(image: str, store: tuple[Path, str, Path | None], **how: Any) -> None:
    async def use(core: Core, caller: Principal, guid: str) -> None:
        if not await pictures.change(core, caller, [Change(guid, **how)]):
            raise NotFound("image", guid)

    _with_image(image, store, use)


def _with_image(image: str, store: tuple[Path, str, Path | None], use: Use[Result]) -> Result:
    """Use the image of that guid or id, in the store of `(folder, account, settings file)`. Raises: typer.Exit."""
    folder, account, config_file = store
    settings = of_store(folder, config_file)
    # Whoever owns the store means images of products too, whatever FinerWorks' clients get to see.
    shared = msgspec.structs.replace(settings.finerworks, shared_library=True)

    async def found(opened: Core) -> Result:
        core = dataclasses.replace(opened, libraries=shared)
        caller = await owner(core, account, "packshot image")
        name = image.strip().lower()
        guid = await pictures.guid_of(core, caller, int(name)) if _ID.fullmatch(name) else name
        return await use(core, caller, guid)

    return with_core(folder, settings, found)
