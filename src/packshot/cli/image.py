"""`packshot image`: images of the library, by hand."""

from typing import Annotated, get_args

import typer

from packshot import config
from packshot.cli.common import Account, Config, Data, one_of, require_store, with_core
from packshot.cli.serve import DEFAULT_DATA
from packshot.domain.access import Principal
from packshot.domain.images import ImageRole
from packshot.domain.libraries import LibraryImage
from packshot.services import events, hosting, setup
from packshot.services.access import account_called
from packshot.services.core import Core

cli = typer.Typer(help="Images of the library that FinerWorks clients see.", no_args_is_help=True)


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
    require_store(data)

    async def use(core: Core) -> LibraryImage:
        events.begin(core.events, "")
        caller = Principal(await account_called(core, account), 0, "administrator", frozenset(), 0)
        return await hosting.attach(core, caller, guid.strip().lower(), product, chosen)

    typer.echo(with_core(data, config.load(config_file), use).id)
