"""What a client asks about itself and about the server."""

import json
from typing import Any

import httpx
import pytest
from b24pysdk.api.responses import BitrixAppInfoResponse  # type: ignore[import-untyped]

from build import Call, Clock, make_account
from oauth_client import make_application
from packshot.config import ServerSettings, Settings
from packshot.protocols.bitrix.methods import METHODS
from packshot.protocols.bitrix.system import MAX_CODES
from packshot.services import access, oauth, users
from packshot.services.core import Core
from packshot.services.setup import SCOPES, Seed
from packshot.storage import accounts

NAMES = [method.name for method in METHODS.values()]
BASIC = [method.name for method in METHODS.values() if not method.scope]


async def hook_of(core: Core, user_id: int, *scopes: str) -> str:
    """The path of a new webhook of that user in the account main."""
    return f"/rest/{user_id}/{await access.create_webhook(core, 'main', user_id, frozenset(scopes))}/"


@pytest.fixture
async def viewer(core: Core, seed: Seed) -> int:
    return await core.db.write(lambda tx: accounts.add_user(tx, seed.account_id, "viewer", core.now()))


@pytest.fixture
async def bare(core: Core, viewer: int) -> str:
    """The path of a viewer's webhook without any scope."""
    return await hook_of(core, viewer)


async def test_methods_names_what_the_credential_may_call(call: Call, client: httpx.AsyncClient, bare: str) -> None:
    with_scopes = await call("methods")
    without = await client.post(f"{bare}methods")

    assert with_scopes["result"] == NAMES
    assert without.json()["result"] == BASIC
    assert {"batch", "methods", "server.time"} <= set(BASIC) < set(NAMES)


@pytest.mark.parametrize("full", [True, "Y", "1", "false"])
async def test_methods_names_everything_with_full(full: Any, client: httpx.AsyncClient, bare: str) -> None:
    answer = await client.post(f"{bare}methods", json={"FULL": full})

    assert answer.json()["result"] == NAMES


@pytest.mark.parametrize("full", [False, "", "0", 0, None])
async def test_methods_leaves_out_the_rest_without_full(full: Any, client: httpx.AsyncClient, bare: str) -> None:
    answer = await client.post(f"{bare}methods", json={"full": full})

    assert answer.json()["result"] == BASIC


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ("", BASIC),
        ("catalog", [name for name in NAMES if name.startswith("catalog.")]),
        ("user", ["user.current"]),
        ("user_brief", ["user.current"]),
        ("crm", []),
        (["catalog"], []),
    ],
)
async def test_methods_names_those_of_one_scope(scope: Any, names: list[str], call: Call) -> None:
    answer = await call("methods", {"scope": scope, "full": True})

    assert answer["result"] == names


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("server.time", (True, True)),
        ("catalog.productimage.list", (True, False)),
        ("catalog.productImage.list", (False, False)),
        ("catalog.nothing", (False, False)),
        ("", (False, False)),
        (["server.time"], (False, False)),
    ],
)
async def test_method_get_tells_what_exists_and_what_the_scopes_open(
    name: Any, found: tuple[bool, bool], client: httpx.AsyncClient, bare: str
) -> None:
    answer = await client.post(f"{bare}method.get", json={"name": name})

    assert answer.json()["result"] == dict(zip(("isExisting", "isAvailable"), found, strict=True))


async def test_method_get_sees_the_scopes_of_the_credential(call: Call) -> None:
    answer = await call("method.get", {"name": "catalog.productimage.list"})
    unknown_key = await call("method.get", {"NAME": "catalog.productimage.list"})

    assert answer["result"] == {"isExisting": True, "isAvailable": True}
    assert unknown_key["result"] == {"isExisting": False, "isAvailable": False}


async def test_scope_lists_what_the_credential_has(
    client: httpx.AsyncClient, core: Core, seed: Seed, bare: str
) -> None:
    path = await hook_of(core, seed.user_id, "user", "catalog")

    some = await client.post(f"{path}scope")
    none = await client.post(f"{bare}scope")
    every = await client.post(f"{bare}scope", json={"full": True})

    assert some.json()["result"] == ["catalog", "user"]
    assert none.json()["result"] == []
    assert every.json()["result"] == sorted(SCOPES)


async def test_app_info_is_for_applications(call: Call) -> None:
    answer = await call("app.info", status=400)

    assert answer == {"error": "ACCESS_DENIED", "error_description": "Access denied! Application context required"}


async def test_app_info_describes_the_application_as_portals_and_authorisation_servers_do(
    client: httpx.AsyncClient, core: Core, seed: Seed
) -> None:
    made = (await make_application(core)).application
    tokens = await oauth.issue_tokens(core, made.id, seed.user_id)

    answer = await client.post("/rest/app.info", json={"auth": tokens.access_token})

    assert answer.json()["result"] == {
        "ID": made.id,
        "CODE": made.client_id,
        "VERSION": 1,
        "STATUS": "L",
        "INSTALLED": True,
        "PAYMENT_EXPIRED": "N",
        "DAYS": None,
        "LANGUAGE_ID": "en",
        "LICENSE": "en_selfhosted",
        "LICENSE_TYPE": "selfhosted",
        "LICENSE_FAMILY": "selfhosted",
        "client_id": made.client_id,
        "scope": "catalog,user",
        "expires": "2027-01-15T09:00:00+00:00",
        "install": {
            "installed": True,
            "version": 1,
            "status": "L",
            "scope": "catalog,user",
            "domain": "shop.test",
            "uri": made.redirect_uri,
            "client_endpoint": "http://shop.test/rest/",
            "member_id": tokens.member_id,
            "member_type": "portal",
        },
        "user_id": seed.user_id,
    }


async def test_app_info_is_understood_by_the_official_sdk(client: httpx.AsyncClient, core: Core, seed: Seed) -> None:
    made = (await make_application(core)).application
    tokens = await oauth.issue_tokens(core, made.id, seed.user_id)

    answer = await client.post("/rest/app.info/", json={"auth": tokens.access_token})
    told = BitrixAppInfoResponse.from_dict(answer.json()).result

    assert (told.client_id, told.user_id, told.scope) == (made.client_id, seed.user_id, ["catalog", "user"])
    assert told.install.member_id == tokens.member_id
    assert told.expires.timestamp() * 1_000_000 == tokens.expires_at


@pytest.mark.parametrize(
    ("code", "value"), [("rest_offline_extended", "Y"), ("rest_auth_connector", "Y"), ("crm", "N"), (["crm"], "N")]
)
async def test_feature_get_answers_yes_for_the_documented_features(code: Any, value: str, call: Call) -> None:
    answer = await call("feature.get", {"CODE": code})

    assert answer["result"] == {"value": value}


@pytest.mark.parametrize("params", [{}, {"CODE": ""}, {"CODE": "0"}, {"CODE": None}, {"code": []}])
async def test_feature_get_wants_a_code(params: Any, call: Call) -> None:
    answer = await call("feature.get", params, status=400)

    assert answer == {"error": "CODE_EMPTY", "error_description": "CODE can't be empty"}


@pytest.mark.parametrize("settings", [Settings(server=ServerSettings(timezone="Europe/Moscow"))], ids=["Moscow"])
async def test_server_time_is_written_in_the_servers_zone(call: Call, clock: Clock) -> None:
    clock.advance(0.75)

    answer = await call("server.time")

    assert answer["result"] == "2027-01-15T11:00:00+03:00"


@pytest.mark.parametrize("codes", [["U999", "AU"], ["G2"], {"3": "AU"}, "AU", "U$own", ["U$own", 5, None]])
async def test_user_access_knows_a_users_codes(codes: Any, client: httpx.AsyncClient, viewer: int, bare: str) -> None:
    own = json.loads(json.dumps({"ACCESS": codes}).replace("$own", str(viewer)))

    assert (await client.post(f"{bare}user.access", json=own)).json()["result"] is True


@pytest.mark.parametrize(
    "codes", [["U999", "D1", "CR"], ["U999"] * MAX_CODES + ["AU"], [], "", None, {"AU": ""}, [["AU"]]], ids=repr
)
async def test_user_access_knows_no_others(codes: Any, client: httpx.AsyncClient, bare: str) -> None:
    assert (await client.post(f"{bare}user.access", json={"ACCESS": codes})).json()["result"] is False


async def test_an_administrator_has_every_access_code(call: Call) -> None:
    assert (await call("user.access", {"ACCESS": ["CR"]}))["result"] is True
    assert (await call("user.access"))["result"] is True


async def test_user_admin_tells_administrators_from_others(call: Call, client: httpx.AsyncClient, bare: str) -> None:
    other = await client.post(f"{bare}user.admin")

    assert (await call("user.admin"))["result"] is True
    assert other.json()["result"] is False


@pytest.fixture
async def person(core: Core, seed: Seed) -> int:
    del seed
    return await users.add(core, "main", "ann", "editor", ("Ann", "Lee", "ann@shop.test"))


async def test_profile_needs_no_scope(client: httpx.AsyncClient, core: Core, person: int, call: Call) -> None:
    path = await hook_of(core, person)

    answer = await client.post(f"{path}profile")
    administrators = await call("profile")

    assert answer.json()["result"] == {
        "ID": str(person),
        "ADMIN": False,
        "NAME": "Ann",
        "LAST_NAME": "Lee",
        "PERSONAL_GENDER": "",
        "TIME_ZONE": "",
    }
    assert administrators["result"]["ADMIN"] is True


@pytest.mark.parametrize(
    ("scopes", "hidden"),
    [
        (["user"], set()),
        (["user", "user_brief"], set()),
        (["user_basic"], {"LAST_LOGIN"}),
        (["user_basic", "user_brief"], {"LAST_LOGIN"}),
        (["user_brief", "catalog"], {"LAST_LOGIN", "EMAIL"}),
    ],
)
async def test_user_current_shows_what_the_widest_scope_opens(
    scopes: list[str], hidden: set[str], client: httpx.AsyncClient, core: Core, person: int
) -> None:
    path = await hook_of(core, person, *scopes)

    answer = await client.post(f"{path}user.current")

    everything = {
        "ID": str(person),
        "ACTIVE": True,
        "NAME": "Ann",
        "LAST_NAME": "Lee",
        "EMAIL": "ann@shop.test",
        "LAST_LOGIN": "",
        "DATE_REGISTER": "2027-01-15T08:00:00+00:00",
        "IS_ONLINE": "Y",
        "LAST_ACTIVITY_DATE": "2027-01-15 08:00:00",
        "PERSONAL_GENDER": "",
        "PERSONAL_BIRTHDAY": "",
        "WORK_POSITION": "",
        "UF_EMPLOYMENT_DATE": "",
        "UF_DEPARTMENT": [],
    }
    assert answer.json()["result"] == {key: value for key, value in everything.items() if key not in hidden}


async def test_user_current_shows_the_last_login(
    client: httpx.AsyncClient, core: Core, person: int, clock: Clock
) -> None:
    path = await hook_of(core, person, "user")
    await users.set_password(core, "ann", "correct horse")
    clock.advance(60)
    await users.log_in(core, "ann", "correct horse")
    clock.advance(60)

    answer = await client.post(f"{path}user.current")

    assert answer.json()["result"]["LAST_LOGIN"] == "2027-01-15T08:01:00+00:00"
    assert answer.json()["result"]["LAST_ACTIVITY_DATE"] == "2027-01-15 08:02:00"


async def test_access_name_names_users_and_groups_of_the_account(call: Call, core: Core, person: int) -> None:
    neighbour, _ = await make_account(core, "neighbour")

    answer = await call("access.name", {"ACCESS": [f"U{person}", "AU", "G2", "CR", "U999", f"U{neighbour.user_id}"]})

    assert answer["result"] == {
        f"U{person}": {"provider": "User", "name": "Ann Lee", "provider_id": "user"},
        "AU": {"provider": "", "name": "All authorized users", "provider_id": "other"},
        "G2": {"provider": "", "name": "All visitors", "provider_id": "other"},
        "CR": {"provider": "", "name": "Author", "provider_id": "other"},
    }


@pytest.mark.parametrize("codes", [["U999"], ["D1", "SG1_K"], [5, None, ["AU"]], ["U0", "U01", "U-1", "U" + "9" * 30]])
async def test_access_name_has_an_empty_list_for_codes_of_nobody(codes: Any, call: Call) -> None:
    assert (await call("access.name", {"ACCESS": codes}))["result"] == []


async def test_access_name_takes_the_map_that_php_makes_of_a_list(call: Call) -> None:
    assert list((await call("access.name", {"ACCESS": {"3": "AU"}}))["result"]) == ["AU"]


@pytest.mark.parametrize("codes", [None, "", [], {}, "AU"])
async def test_access_name_is_false_without_a_list(codes: Any, call: Call) -> None:
    assert (await call("access.name", {"ACCESS": codes}))["result"] is False
