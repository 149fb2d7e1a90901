"""Trade catalogs: where products live."""

from packshot.domain.access import Principal, require_right
from packshot.domain.catalogs import Catalog
from packshot.domain.paging import Page, Query
from packshot.services.core import Core
from packshot.storage import catalogs


async def list_all(core: Core, caller: Principal, query: Query) -> Page[Catalog]:
    """One page of the account's catalogs, by id where the query orders nothing else. Raises: Forbidden."""
    require_right(caller, "catalog:read")
    return await catalogs.list_catalogs(core.db, caller.account_id, query)
