"""Who is let in at /v3: two keys that belong together, and which account they then act for."""

import itertools
from typing import Any

import httpx
import pytest

from build import Clock, make_account
from packshot import app
from packshot.config import Settings
from packshot.domain.access import Mode
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.services import accounts, keys, setup
from packshot.services.core import Core
from packshot.services.keys import Keys
from packshot.services.setup import Seed

SENTENCE = "Missing or unauthorized api credentials"
REFUSAL = {
    "Message": "The request is invalid.",
    "ModelState": {"ApiC.Models.authorization_credentials": [SENTENCE]},
    "status": {"success": False, "status_code": 400, "message": SENTENCE, "debug": None},
}
UNKNOWN = "6f1cbd0e-2f4b-4a50-9d8a-3a1b6c0f9e55"


def user_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["user_account"]


@pytest.fixture
async def other(core: Core, seed: Seed) -> Keys:
    """The pair of another account."""
    del seed
    await make_account(core, "other")
    return await keys.create(core, "other")


# The pair


@pytest.mark.parametrize("places", list(itertools.product(["header", "query"], repeat=2)))
async def test_each_key_may_be_a_header_or_in_the_query(
    client: httpx.AsyncClient, headers: dict[str, str], places: tuple[str, str]
) -> None:
    sent = dict(zip(headers, places, strict=True))

    answer = await client.get(
        "/v3/get_user",
        headers={name: headers[name] for name in sent if sent[name] == "header"},
        params={name.upper(): headers[name] for name in sent if sent[name] == "query"},
    )

    assert user_of(answer)["account_id"] == 1


async def test_a_header_stands_above_the_query(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    good = await client.get("/v3/get_user", headers=headers, params=dict.fromkeys(headers, UNKNOWN))
    bad = await client.get("/v3/get_user", headers=dict.fromkeys(headers, UNKNOWN), params=headers)

    assert (good.status_code, bad.status_code) == (200, 400)


@pytest.mark.parametrize("missing", [("web_api_key",), ("app_key",), ("web_api_key", "app_key")])
@pytest.mark.parametrize("replacement", [None, "", UNKNOWN, "two words", "\u00e9", "x" * 5_000])
async def test_without_two_good_keys_the_answer_is_the_documented_one(
    client: httpx.AsyncClient, headers: dict[str, str], missing: tuple[str, ...], replacement: str | None
) -> None:
    sent = {name: headers[name] for name in headers if name not in missing}
    if replacement is not None:
        sent |= dict.fromkeys(missing, replacement)
    encoded = [(name.encode(), value.encode()) for name, value in sent.items()]

    answer = await client.post("/v3/test_my_credentials", headers=encoded, content=b"{not json")

    assert (answer.status_code, answer.json()) == (400, REFUSAL)


async def test_keys_of_two_pairs_and_one_key_for_both_are_refused(
    client: httpx.AsyncClient, core: Core, pair: Keys, other: Keys
) -> None:
    second = await keys.create(core, setup.ACCOUNT)
    wrong = [
        (pair.web_api_key, second.app_key),
        (pair.web_api_key, other.app_key),
        (other.web_api_key, pair.app_key),
        (pair.web_api_key, pair.web_api_key),
        (pair.app_key, pair.app_key),
        (pair.app_key, pair.web_api_key),
        (pair.account_key, pair.app_key),
    ]

    for web_api_key, app_key in wrong:
        answer = await client.get("/v3/get_user", headers={"web_api_key": web_api_key, "app_key": app_key})
        assert answer.json() == REFUSAL


@pytest.mark.parametrize("settings", [Settings(finerworks=FinerWorksSettings(query_keys=False))])
async def test_keys_in_the_query_can_be_closed(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    by_query = await client.get("/v3/get_user", params=headers)
    by_header = await client.get("/v3/get_user", headers=headers)

    assert (by_query.json(), by_header.status_code) == (REFUSAL, 200)


async def test_a_revoked_pair_is_refused_within_a_second(
    client: httpx.AsyncClient, core: Core, headers: dict[str, str], clock: Clock
) -> None:
    assert (await client.get("/v3/get_user", headers=headers)).status_code == 200
    await keys.revoke(core, setup.ACCOUNT, 1)

    clock.advance(1)

    assert (await client.get("/v3/get_user", headers=headers)).json() == REFUSAL


@pytest.mark.parametrize("state", ["blocked", "no_plan", "closed"])
async def test_a_stopped_account_is_refused_with_403(
    client: httpx.AsyncClient, core: Core, headers: dict[str, str], state: Any
) -> None:
    await accounts.set_state(core, setup.ACCOUNT, state)

    answer = await client.get("/v3/get_user", headers=headers)

    assert answer.status_code == 403
    assert answer.json()["Message"] == answer.json()["status"]["message"]
    assert answer.json()["status"]["status_code"] == 403


# Which account


@pytest.mark.parametrize("mode", ["live", "test"])
@pytest.mark.parametrize("power", ["plain", "privileged"])
@pytest.mark.parametrize("named", ["none", "empty", "own", "other", "unknown", "malformed"])
@pytest.mark.parametrize("place", ["body", "library", "query"])
async def test_only_a_privileged_pair_acts_for_the_account_it_names(  # noqa: PLR0913, PLR0917 - the whole matrix
    client: httpx.AsyncClient,
    core: Core,
    other: Keys,
    mode: Mode,
    power: str,
    named: str,
    place: str,
) -> None:
    privileged = power == "privileged"
    pair = await keys.create(core, setup.ACCOUNT, mode, privileged=privileged)
    account_key: Any = {
        "none": None, "empty": "", "own": pair.account_key, "other": other.account_key.upper(), "unknown": UNKNOWN,
        "malformed": "---",
    }[named]  # fmt: skip
    body: dict[str, Any] = {"body": {"account_key": account_key}, "library": {"Library": {"Account_Key": account_key}}}
    query = {"account_key": account_key} if place == "query" and account_key is not None else {}

    answer = await client.post(
        "/v3/test_my_credentials",
        headers={"web_api_key": pair.web_api_key, "app_key": pair.app_key},
        params=query,
        json=body.get(place),
    )

    if privileged and named in {"unknown", "malformed"}:
        assert answer.status_code == 400
        assert list(answer.json()["ModelState"]) == ["request.account_key"]
        return
    user = user_of(answer)
    acting = other if privileged and named == "other" else pair
    assert user["account_key"] == (acting.account_key if privileged else None)
    assert user["business_info"]["company_name"] == ("other" if acting is other else "main")
    assert user["app_details"] == {"app_live_mode": mode == "live"}


@pytest.mark.parametrize("value", [7, 1.5, True, [], {}, ["x"], "\U0001f600", "{" * 9, "urn:uuid:"])
async def test_an_account_key_of_any_kind_is_ignored_or_refused(
    client: httpx.AsyncClient, core: Core, headers: dict[str, str], value: Any
) -> None:
    privileged = await keys.create(core, setup.ACCOUNT, privileged=True)
    body = {"account_key": value}

    ignored = await client.post("/v3/test_my_credentials", headers=headers, json=body)
    refused = await client.post(
        "/v3/test_my_credentials",
        headers={"web_api_key": privileged.web_api_key, "app_key": privileged.app_key},
        json=body,
    )

    assert (ignored.status_code, refused.status_code) == (200, 400)


async def test_a_privileged_pair_that_names_two_accounts_is_refused(
    client: httpx.AsyncClient, core: Core, other: Keys
) -> None:
    pair = await keys.create(core, setup.ACCOUNT, privileged=True)

    answer = await client.post(
        f"/v3/test_my_credentials?account_key={pair.account_key}",
        headers={"web_api_key": pair.web_api_key, "app_key": pair.app_key},
        json={"account_key": other.account_key},
    )

    assert answer.status_code == 400


async def test_a_privileged_pair_cannot_act_for_a_stopped_account(
    client: httpx.AsyncClient, core: Core, other: Keys
) -> None:
    pair = await keys.create(core, setup.ACCOUNT, privileged=True)
    await accounts.set_state(core, "other", "closed")

    answer = await client.get(
        f"/v3/get_user?account_key={other.account_key}",
        headers={"web_api_key": pair.web_api_key, "app_key": pair.app_key},
    )

    assert answer.status_code == 403


# Proxies that drop header names with underscores


@pytest.mark.parametrize(
    ("sent", "received"),
    [({}, "none"), ({"app_key": UNKNOWN}, "app_key"), (dict.fromkeys(["app_key", "web_api_key"], UNKNOWN),
     "web_api_key, app_key")],
)  # fmt: skip
async def test_a_refusal_says_which_keys_arrived_as_headers(
    client: httpx.AsyncClient, sent: dict[str, str], received: str
) -> None:
    answer = await client.get("/v3/get_user", headers=sent)

    assert answer.headers["x-packshot-received-keys"] == received


async def test_calls_that_come_through_a_proxy_without_keys_are_told_of_once(
    core: Core, capsys: pytest.CaptureFixture[str]
) -> None:
    asgi: Any = app.build(core, Settings(), lambda: True)[0]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop.test") as client:
        for sent in ({}, {"x-forwarded-for": "10.0.0.1", "app_key": "x"}):
            await client.get("/v3/get_user", headers=sent)
        quiet = capsys.readouterr().out
        forwarded = {"x-forwarded-for": "10.0.0.1"}
        answers = [await client.get("/v3/get_user", headers=forwarded) for _ in range(2)]
    told = capsys.readouterr().out

    assert [answer.json() for answer in answers] == [REFUSAL, REFUSAL]
    assert "underscores_in_headers" not in quiet
    assert told.count("underscores_in_headers") == 1
