"""events and event.* as their pages show them, called with an application's access token."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from build import TIME, Clock, make_product
from packshot.config import ServerSettings, Settings
from packshot.domain.access import Principal
from packshot.domain.errors import Unauthenticated
from packshot.domain.events import EVENTS
from packshot.services import access, oauth
from packshot.services.core import Core
from packshot.services.outbound import REFUSED, OutboundSettings
from packshot.services.setup import Seed
from packshot.storage import accounts
from receiver import deliver, make_application, receiving

URL = "https://www.my-domain.example/handler/"
ADD, UPDATE = "CATALOG.PRODUCT.ON.ADD", "CATALOG.PRODUCT.ON.UPDATE"
METHODS = (
    "events", "event.bind", "event.unbind", "event.get", "event.test", "event.offline.get", "event.offline.list",
    "event.offline.clear", "event.offline.error",
)  # fmt: skip

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture
def settings() -> Settings:
    return Settings(server=ServerSettings(timezone="Europe/Berlin"), outbound=OutboundSettings(allow_private=True))


async def asking(core: Core, client: httpx.AsyncClient, application_id: int, user_id: int) -> Ask:
    """`await ask(method, params)` with a token of that user."""
    token = (await oauth.issue_tokens(core, application_id, user_id)).access_token

    async def ask(method: str, params: Any = None, status: int = 200) -> Any:
        response = await client.post(f"/rest/{method}", json={**(params or {}), "auth": token})
        assert response.status_code == status, response.text
        answer = response.json()
        if status == 200:
            assert {key: type(value) for key, value in answer.pop("time").items()} == TIME
        return answer

    return ask


@pytest.fixture
async def application(core: Core, admin: Principal) -> int:
    acting, _ = await make_application(core, admin)
    return acting.application_id or 0


@pytest.fixture
async def ask(core: Core, client: httpx.AsyncClient, application: int, admin: Principal) -> Ask:
    return await asking(core, client, application, admin.user_id)


@pytest.fixture
async def ask_as_editor(core: Core, client: httpx.AsyncClient, application: int, admin: Principal) -> Ask:
    editor = await core.db.write(lambda tx: accounts.add_user(tx, admin.account_id, "editor", core.now()))
    return await asking(core, client, application, editor)


@pytest.mark.parametrize("method", METHODS)
async def test_an_inbound_webhook_is_not_enough(client: httpx.AsyncClient, seed: Seed, method: str) -> None:
    answer = await client.post(f"/rest/{seed.user_id}/{seed.webhook_code}/{method}", json={})

    assert answer.status_code == 403
    assert answer.json() == {
        "error": "WRONG_AUTH_TYPE",
        "error_description": "Current authorization type is denied for this method Application context required",
    }


async def test_events_lists_what_can_fire(ask: Ask) -> None:
    assert await ask("events", {"FULL": True}) == {"result": list(EVENTS)}
    assert await ask("events", {"SCOPE": "user"}) == {"result": []}
    assert await ask("events", {"scope": "catalog"}) == {"result": [name for name in EVENTS if name != "ONAPPTEST"]}


async def test_handlers_are_bound_shown_and_unbound_as_documented(ask: Ask, admin: Principal) -> None:
    first = await ask("event.bind", {"event": ADD.lower(), "handler": URL})
    second = await ask("event.bind", {"EVENT": ADD, "HANDLER": URL, "AUTH_TYPE": admin.user_id})
    third = await ask("event.bind", {"event": ADD, "event_type": "offline", "options": {"minTimeout": 5}})

    shown = await ask("event.get")
    unbound = await ask("event.unbind", {"event": ADD, "handler": URL, "auth_type": ""})
    offline = await ask("event.unbind", {"event": ADD, "event_type": "offline"})
    rest = await ask("event.unbind", {"event": ADD, "handler": URL})

    assert first == second == third == {"result": True}
    assert shown == {
        "result": [
            {"event": ADD, "handler": URL, "auth_type": "0", "offline": 0},
            {"event": ADD, "handler": URL, "auth_type": str(admin.user_id), "offline": 0},
            {"event": ADD, "handler": "", "auth_type": "0", "offline": 1},
        ]
    }
    assert [unbound, offline, rest] == [{"result": {"count": 1}}] * 3
    assert await ask("event.get") == {"result": []}


async def test_an_unknown_event_is_answered_as_documented(ask: Ask) -> None:
    expected = {"error": "ERROR_EVENT_NOT_FOUND", "error_description": "Event not found"}

    assert await ask("event.bind", {"event": "ONCRMLEADADD", "handler": URL}, 400) == expected
    assert await ask("event.unbind", {"event": "ONCRMLEADADD", "handler": URL}, 400) == expected


async def test_a_second_handler_of_the_same_kind_is_refused(ask: Ask) -> None:
    await ask("event.bind", {"event": ADD, "handler": URL})

    answer = await ask("event.bind", {"event": ADD, "handler": URL}, 400)

    assert answer["error"] == "ERROR_CORE"
    assert answer["error_description"].startswith("Unable to set event handler")


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("event.bind", {"event": ADD, "event_type": "offline"}),
        ("event.bind", {"event": ADD, "handler": URL, "auth_type": 1}),
        ("event.unbind", {"event": ADD, "handler": URL}),
        ("event.offline.get", {}),
        ("event.offline.list", {}),
        ("event.offline.clear", {"process_id": "x"}),
        ("event.offline.error", {"process_id": "x"}),
    ],
)
async def test_what_is_for_administrators_is_denied_to_others(
    ask_as_editor: Ask, method: str, params: dict[str, Any]
) -> None:
    answer = await ask_as_editor(method, params, 403)

    assert answer == {"error": "ACCESS_DENIED", "error_description": "Access denied!"}


async def test_anybody_may_subscribe_for_themselves(ask_as_editor: Ask) -> None:
    assert await ask_as_editor("event.bind", {"event": ADD, "handler": URL}) == {"result": True}


@pytest.mark.parametrize(
    ("method", "params", "missing"),
    [
        ("event.bind", {}, "event"),
        ("event.bind", {"event": ADD}, "handler"),
        ("event.unbind", {"event": ADD}, "handler"),
        ("event.offline.clear", {}, "process_id"),
        ("event.offline.error", {}, "process_id"),
    ],
)
async def test_a_missing_parameter_is_named(ask: Ask, method: str, params: dict[str, Any], missing: str) -> None:
    answer = await ask(method, params, 400)

    assert answer == {"error": 100, "error_description": f"Could not find value for parameter {{{missing}}}"}


@pytest.mark.parametrize("wrong", ["x", [1], True])
async def test_a_user_that_is_no_number_is_refused(ask: Ask, wrong: Any) -> None:
    answer = await ask("event.bind", {"event": ADD, "handler": URL, "auth_type": wrong}, 400)

    assert answer["error"] == 100


class TestStrict:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings()

    @pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::1]/", "http://10.1.2.3/", "ftp://1.1.1.1/"])
    async def test_a_private_handler_is_refused_in_clear_words(self, ask: Ask, url: str) -> None:
        answer = await ask("event.bind", {"event": ADD, "handler": url}, 400)

        assert answer == {"error": 0, "error_description": REFUSED}


async def test_event_test_sends_the_callers_own_data(ask: Ask, core: Core) -> None:
    async with receiving() as receiver:
        await ask("event.bind", {"event": "OnAppTest", "handler": receiver.url})

        answer = await ask("event.test", {"any": "data", "tree": {"of": ["x"]}})
        await deliver(core)

    form = receiver.letters[0].form
    assert answer == {"result": 1}
    assert form["event"] == "ONAPPTEST"
    assert {name: value for name, value in form.items() if name.startswith("data")} == {
        "data[QUERY][any]": "data", "data[QUERY][tree][of][0]": "x", "data[LANGUAGE_ID]": "en",
    }  # fmt: skip


async def test_the_token_of_an_event_can_call_back(ask: Ask, core: Core, client: httpx.AsyncClient) -> None:
    async with receiving() as receiver:
        await ask("event.bind", {"event": "ONAPPTEST", "handler": receiver.url})
        await ask("event.test")
        await deliver(core)

    token = receiver.letters[0].form["auth[access_token]"]
    answer = await client.post("/rest/catalog.catalog.list", json={"auth": token})
    assert answer.status_code == 200
    with pytest.raises(Unauthenticated):
        await access.by_token(core, token + "x")


async def test_too_much_to_test_with_is_refused(ask: Ask) -> None:
    answer = await ask("event.test", {"any": "x" * 70_000}, 400)

    assert answer["error"] == 0


@pytest.fixture
async def queued(ask: Ask, core: Core, admin: Principal, clock: Clock) -> list[int]:
    """The ids of three new products, each a second after the other, in the application's queue."""
    await ask("event.bind", {"event": ADD, "event_type": "offline"})
    made = []
    for number in range(3):
        clock.advance(1)
        made.append(await make_product(core, admin, f"Product {number}"))
    return made


async def test_the_queue_is_listed_as_documented(ask: Ask, queued: list[int]) -> None:
    answer = await ask("event.offline.list", {"filter": {"ERROR": 0, ">ID": 1}, "order": {"ID": "DESC"}})

    message_ids = [row.pop("MESSAGE_ID") for row in answer["result"]]
    assert all(len(message_id) == 32 for message_id in message_ids)
    assert answer == {
        "result": [
            {
                "ID": str(number),
                "TIMESTAMP_X": f"2027-01-15T09:00:0{number}+01:00",
                "EVENT_NAME": ADD,
                "EVENT_DATA": {"FIELDS": {"ID": queued[number - 1], "TYPE": 1}},
                "EVENT_ADDITIONAL": False,
                "PROCESS_ID": "",
                "ERROR": "0",
            }
            for number in (3, 2)
        ],
        "total": 2,
    }


async def test_get_deletes_what_it_gives_unless_told_otherwise(ask: Ask, queued: list[int]) -> None:
    one = await ask("event.offline.get", {"limit": 1})
    rest = await ask("event.offline.get", {"filter": {"=EVENT_NAME": ADD.lower()}, "order": {"ID": "DESC"}})
    none = await ask("event.offline.get")

    assert one["result"]["process_id"] is None
    assert set(one["result"]["events"][0]) == {
        "ID", "TIMESTAMP_X", "EVENT_NAME", "EVENT_DATA", "EVENT_ADDITIONAL", "MESSAGE_ID",
    }  # fmt: skip
    found = [event["EVENT_DATA"]["FIELDS"]["ID"] for event in one["result"]["events"] + rest["result"]["events"]]
    assert found == [queued[0], queued[2], queued[1]]
    assert none["result"] == {"process_id": None, "events": []}


async def test_a_process_reserves_marks_and_clears(ask: Ask, queued: list[int]) -> None:
    del queued
    reserved = (await ask("event.offline.get", {"clear": 0}))["result"]
    process_id = reserved["process_id"]
    first, second, third = reserved["events"]

    hidden = await ask("event.offline.get")
    by_id = await ask("event.offline.clear", {"process_id": process_id, "id": [first["ID"]], "message_id": ["none"]})
    marked = await ask("event.offline.error", {"process_id": process_id, "message_id": [second["MESSAGE_ID"]]})
    good = await ask("event.offline.get", {"process_id": process_id, "clear": 0})
    every = await ask("event.offline.get", {"process_id": process_id, "clear": 0, "error": 1})
    by_message = await ask("event.offline.clear", {"process_id": process_id, "message_id": [third["MESSAGE_ID"]]})
    left = await ask("event.offline.list", {"filter": {"PROCESS_ID": process_id}})
    all_of_it = await ask("event.offline.clear", {"process_id": process_id})

    assert hidden["result"]["events"] == []
    assert by_id == marked == by_message == all_of_it == {"result": True}
    assert [event["ID"] for event in good["result"]["events"]] == [third["ID"]]
    assert [event["ID"] for event in every["result"]["events"]] == [second["ID"], third["ID"]]
    assert good["result"]["process_id"] == process_id
    assert [(row["ID"], row["ERROR"]) for row in left["result"]] == [(second["ID"], "1")]
    assert (await ask("event.offline.list"))["result"] == []


async def test_the_queue_is_paged(ask: Ask, core: Core, admin: Principal, queued: list[int]) -> None:
    for number in range(49):
        await make_product(core, admin, f"More {number}")

    first = await ask("event.offline.list")
    second = await ask("event.offline.list", {"start": 50})

    assert (len(first["result"]), first["next"], first["total"]) == (50, 50, len(queued) + 49)
    assert (len(second["result"]), second["total"]) == (2, 52)
    assert "next" not in second


async def test_a_change_that_names_its_connector_is_not_told_to_the_handler_of_that_name(ask: Ask) -> None:
    for connector in ("ours", "others"):
        await ask("event.bind", {"event": ADD, "event_type": "offline", "auth_connector": connector})

    fields = {"iblockId": 1, "name": "Ours"}
    await ask("catalog.product.add", {"fields": fields, "auth_connector": "ours"})

    ours = await ask("event.offline.list", {"auth_connector": "ours"})
    others = await ask("event.offline.list", {"auth_connector": "others"})
    assert (ours["total"], others["total"]) == (0, 1)


async def test_the_name_of_a_connector_does_not_outlast_its_command_in_a_batch(ask: Ask) -> None:
    await ask("event.bind", {"event": ADD, "event_type": "offline", "auth_connector": "ours"})
    add = "catalog.product.add?fields[iblockId]=1&fields[name]="

    await ask("batch", {"cmd": [f"{add}One&auth_connector=ours", f"{add}Two"]})

    assert (await ask("event.offline.list", {"auth_connector": "ours"}))["total"] == 1
