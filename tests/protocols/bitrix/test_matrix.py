"""Who may do what: every method for every role, scope and kind of credential, on own, foreign and absent things.

The valid calls stand in valid_calls.py; a method without a row there fails by its name.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import product
from typing import Literal, NamedTuple, get_args
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio

from build import Shop, bracketed, filled, make_account, open_shop
from oauth_client import make_application
from packshot.config import Settings
from packshot.domain.access import Principal, Role
from packshot.protocols.bitrix.methods import METHODS
from packshot.services import access, catalogs, oauth
from packshot.services.outbound import OutboundSettings
from packshot.services.setup import SCOPES
from packshot.storage import accounts
from packshot.storage.database import Tx
from valid_calls import CALLS, NO_ADMINISTRATOR, NOTHING, Outcome, Valid, things

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHOD_NAMES = [method.name for method in METHODS.values()]
NOBODYS = 999_999
RIGHTS: dict[Role, frozenset[str]] = {
    "administrator": frozenset({"none", "read", "write", "administrator"}),
    "editor": frozenset({"none", "read", "write"}),
    "viewer": frozenset({"none", "read"}),
    "none": frozenset({"none"}),
}
NO_AUTH: Outcome = (401, "NO_AUTH_FOUND", "Wrong authorization data")
NOT_IN_BATCH: Outcome = (405, "ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
UNKNOWN_TOKEN: Outcome = (401, "invalid_token", "Unable to get application by token")
TOO_FEW_SCOPES = "The request requires higher privileges than provided by the %s token"
EXPIRED_TOKEN: Outcome = (401, "expired_token", "The access token provided has expired")

By = Literal["webhook", "access"]
Whose = Literal["own", "theirs", "nobody's"]
OTHERS: tuple[Whose, ...] = ("theirs", "nobody's")


class Cell(NamedTuple):
    """One caller and what the call is about; `name` is the id in it that is a neighbour's or nobody's."""

    by: By
    role: Role
    has_scope: bool
    whose: Whose = "own"
    name: str = ""


class World(NamedTuple):
    """An account with a user of each role, and its neighbour; each with the ids of its two catalogs."""

    shop: Shop
    users: Mapping[Role, int]
    own: tuple[Principal, int, int]
    theirs: tuple[Principal, int, int]


# One store for all of it: nothing here depends on what another test left behind.
@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    settings = Settings(outbound=OutboundSettings(allow_private=True))
    async with open_shop(tmp_path_factory.mktemp("matrix") / "data", settings) as shop:
        core, seed = shop.core, shop.seed
        users = await core.db.write(lambda tx: add_users(tx, seed.account_id))
        them, catalog = await make_account(core, "neighbour")
        theirs = (them, catalog, await catalogs.add(core, them.account_id, "Variations", catalog))
        yield World(shop, users, (shop.admin, seed.catalog_id, seed.variations_id), theirs)


async def add_users(tx: Tx, account_id: int) -> dict[Role, int]:
    return {role: await accounts.add_user(tx, account_id, role, 0) for role in RIGHTS}


def cells(valid: Valid) -> Iterator[Cell]:
    for by, role, has_scope in product(get_args(By), RIGHTS, (True, False)):
        yield Cell(by, role, has_scope)
        for name, whose in product(valid.foreign, OTHERS):
            yield Cell(by, role, has_scope, whose, name)


def expected(valid: Valid, cell: Cell) -> Outcome | str:
    """What becomes of the call; "" where it succeeds."""
    if valid.scopes and not cell.has_scope:
        return 403, "insufficient_scope", TOO_FEW_SCOPES % cell.by
    if valid.denied is not None and valid.right not in RIGHTS[cell.role]:
        return 400, valid.denied, "Access Denied"
    if valid.by_webhook and cell.by == "webhook":
        return valid.by_webhook
    if valid.right not in RIGHTS[cell.role]:
        return NO_ADMINISTRATOR
    return valid.foreign.get(cell.name, "")


def differs(answer: httpx.Response, wanted: Outcome | str) -> bool:
    if isinstance(wanted, str):
        return answer.status_code != 200 or (wanted == NOTHING and any(answer.json()["result"].values()))
    return (answer.status_code, *answer.json().values()) != wanted


async def callers(world: World, valid: Valid) -> dict[tuple[By, Role, bool], tuple[str, dict[str, str]]]:
    """Where each caller calls, and with what in `auth`."""
    found: dict[tuple[By, Role, bool], tuple[str, dict[str, str]]] = {}
    for has_scope in (True, False):
        scopes = SCOPES if has_scope else SCOPES - set(valid.scopes)
        made = await make_application(world.shop.core, scopes=tuple(scopes))
        for role, user_id in world.users.items():
            code = await access.create_webhook(world.shop.core, "main", user_id, scopes)
            tokens = await oauth.issue_tokens(world.shop.core, made.application.id, user_id)
            found["webhook", role, has_scope] = f"/rest/{user_id}/{code}/", {}
            found["access", role, has_scope] = "/rest/", {"auth": tokens.access_token}
    return found


async def test_every_method_has_a_valid_call() -> None:
    assert sorted(METHOD_NAMES) == sorted(CALLS)


@pytest.mark.parametrize("name", METHOD_NAMES)
async def test_only_who_may_call_a_method_gets_through(name: str, world: World) -> None:
    valid = CALLS[name]
    called = await callers(world, valid)
    own = await things(world.shop.core, valid, *world.own)
    theirs = await things(world.shop.core, valid, *world.theirs)
    wrong = []

    # The refused first: they have to leave everything as it is.
    for cell in sorted(cells(valid), key=lambda cell: expected(valid, cell) == ""):
        wanted = expected(valid, cell)
        if not wanted and valid.right == "write":
            own = await things(world.shop.core, valid, *world.own)
        other = {"own": own, "theirs": theirs, "nobody's": {cell.name: NOBODYS}}[cell.whose]
        known = own | ({cell.name: other[cell.name]} if cell.name else {})
        path, auth = called[cell.by, cell.role, cell.has_scope]
        written = unwritten(world)
        answer = await world.shop.client.post(path + name, json=filled(valid.params, known) | auth)
        if differs(answer, wanted):
            wrong.append(f"{cell}: {wanted or 200} expected, got {answer.status_code} {answer.text}")
        if wanted and written.is_set():
            wrong.append(f"{cell}: the refused call changed something")

    assert not wrong


@pytest.mark.parametrize("name", METHOD_NAMES)
async def test_a_batch_lets_nobody_through_who_is_refused_alone(name: str, world: World) -> None:
    valid = CALLS[name]
    called = await callers(world, valid)
    own = await things(world.shop.core, valid, *world.own)
    command = f"{name}?{urlencode(dict(bracketed(filled(valid.params, own))))}"
    written = unwritten(world)

    for cell in cells(valid):
        refused = expected(valid, cell)
        if cell.whose != "own" or isinstance(refused, str):
            continue
        _, code, text = refused if METHODS[name.lower()].in_batch else NOT_IN_BATCH
        path, auth = called[cell.by, cell.role, cell.has_scope]
        answer = await world.shop.client.post(path + "batch", json={"cmd": {"it": command}} | auth)
        errors = answer.json()["result"]["result_error"]
        assert errors == {"it": {"error": str(code), "error_description": text}}, cell

    assert not written.is_set()


@pytest.mark.parametrize("name", METHOD_NAMES)
async def test_a_method_takes_a_valid_credential(name: str, world: World) -> None:
    user_id = world.users["administrator"]
    world.shop.clock.advance(-oauth.ACCESS_S)
    short = await access.create_webhook(world.shop.core, "main", user_id, SCOPES, expires_in_s=60)
    made = await make_application(world.shop.core, scopes=tuple(SCOPES))
    tokens = await oauth.issue_tokens(world.shop.core, made.application.id, user_id)
    world.shop.clock.advance(oauth.ACCESS_S)
    params = filled(CALLS[name].params, await things(world.shop.core, CALLS[name], *world.own))
    refused: dict[str, tuple[str, dict[str, str], Outcome]] = {
        "none": ("/rest/", {}, NO_AUTH),
        "wrong webhook": (f"/rest/{user_id}/{'x' * 32}/", {}, NO_AUTH),
        "expired webhook": (f"/rest/{user_id}/{short}/", {}, NO_AUTH),
        "unknown token": ("/rest/", {"auth": "0123456789abcdef"}, UNKNOWN_TOKEN),
        "expired token": ("/rest/", {"auth": tokens.access_token}, EXPIRED_TOKEN),
        "token in the place of a webhook": (f"/rest/{user_id}/{tokens.access_token}/", {}, NO_AUTH),
    }
    written = unwritten(world)

    answers = {
        kind: await world.shop.client.post(path + name, json=params | auth) for kind, (path, auth, _) in refused.items()
    }

    for kind, (_, _, wanted) in refused.items():
        assert not differs(answers[kind], wanted), (kind, answers[kind].text)
    assert not written.is_set()


def unwritten(world: World) -> asyncio.Event:
    """Set by the next commit to the database, whatever it changes."""
    world.shop.core.db.written.clear()
    return world.shop.core.db.written
