"""How /v3 is called: paths, HTTP methods, media types, bodies, errors, and what every answer has."""

import dataclasses
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from packshot.config import CorsSettings, Settings
from packshot.domain import errors
from packshot.emulator.faults import FaultSettings
from packshot.protocols.body import BodyLimits, InFlight
from packshot.protocols.finerworks.call import Answer, Call, Method
from packshot.protocols.finerworks.errors import FinerWorksSettings
from packshot.protocols.finerworks.methods import METHODS
from packshot.protocols.finerworks.routes import FinerWorks
from packshot.services.core import Core

PAGE = "https://page.example"
STATUS = {"success": True, "status_code": 200, "message": "", "debug": None}


async def echo(call: Call) -> Answer:
    return Answer({"params": call.params, "query": call.query})


async def fall(call: Call) -> Answer:
    raise RuntimeError("a secret of ours") if "bug" in call.params else errors.LimitReached("uploads at once", 3)


PROBES = {
    method.name: method for method in (Method("echo", ("POST", "PUT", "DELETE"), echo), Method("fall", ("POST",), fall))
}


@pytest.fixture
def settings() -> Settings:
    return Settings(requests=BodyLimits(request_bytes=200_000), cors=CorsSettings((PAGE,)))


@pytest.fixture
async def probe(core: Core, settings: Settings, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """A client, with keys, at a door with methods of this test only."""
    door: Any = FinerWorks(
        core, FinerWorksSettings(), ZoneInfo("UTC"), lambda *_: "http://shop.test", settings.requests,
        InFlight(10**8), lambda: "1", PROBES,
    )  # fmt: skip
    transport = httpx.ASGITransport(door)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test", headers=headers) as client:
        yield client


# Paths and HTTP methods


@pytest.mark.parametrize(
    "path", ["/v3/get_user", "/V3/get_user", "/v3/Get_User/", "//v3//GET_USER//", "/V3//get_user///"]
)
async def test_a_path_is_read_in_any_case_and_with_any_slashes(
    client: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    answer = await client.get(f"http://shop.test{path}", headers=headers)

    assert answer.json()["status"] == STATUS


@pytest.mark.parametrize(
    "path", ["/v3/", "/v3/no_such", "/v3/list_mats", "/v3/get_user/more", "/V3/get_user.json", "/v3/%00", "/v3/%ff"]
)
async def test_an_unknown_path_is_named_without_its_query(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"{path}?app_key=secret")

    shown = answer.json()["Message"]
    assert answer.status_code == 404
    assert shown.startswith("No HTTP resource was found that matches the request URI 'http://shop.test/")
    assert "secret" not in answer.text
    assert answer.json()["status"] == {"success": False, "status_code": 404, "message": shown, "debug": None}


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
async def test_other_http_methods_are_refused_with_those_allowed(client: httpx.AsyncClient, method: Method) -> None:
    for verb in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - set(method.verbs):
        answer = await client.request(verb, f"/v3/{method.name}")

        assert answer.status_code == 405
        assert answer.headers["allow"] == ", ".join(method.verbs)
        assert answer.json()["Message"] == f"The requested resource does not support http method '{verb}'."


# Bodies


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/json", "Application/JSON; charset=UTF-8", "text/json;charset=x", ""]
)
async def test_json_is_read_whatever_sort_of_json_it_is_said_to_be(
    probe: httpx.AsyncClient, verb: str, content_type: str
) -> None:
    body = b'\xef\xbb\xbf{"Page_Number": "1", "LIBRARY": {"Name": null}, "guids": [{"A": 1}]}'
    sent = {"content-type": content_type} if content_type else {}

    answer = await probe.request(verb, "/v3/echo?Guid=x", content=body, headers=sent)

    assert answer.json()["params"] == {"page_number": "1", "library": {"name": None}, "guids": [{"a": 1}]}
    assert answer.json()["query"] == {"guid": "x"}


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"])
async def test_other_types_are_refused_by_name(probe: httpx.AsyncClient, content_type: str) -> None:
    answer = await probe.post("/v3/echo", content=b"{}", headers={"content-type": f"{content_type}; x=y"})

    assert answer.status_code == 415
    text = f"The request entity's media type '{content_type}' is not supported for this resource."
    assert answer.json()["Message"] == text


@pytest.mark.parametrize("body", [b"", b"null", b" null ", b"{}", b"  ", b"\xef\xbb\xbf"])
async def test_a_body_that_says_nothing_has_no_fields(probe: httpx.AsyncClient, body: bytes) -> None:
    answer = await probe.post("/v3/echo", content=body, headers={"content-type": "application/json"})

    assert answer.json() == {"status": STATUS, "params": {}, "query": {}}


@pytest.mark.parametrize("body", [b"[]", b"[1]", b"1", b'"x"', b"true", b"{", b"{'a'}", b"\xff", b'{"a": "\\u0000"}'])
async def test_what_is_no_object_is_refused(probe: httpx.AsyncClient, body: bytes) -> None:
    answer = await probe.post("/v3/echo", content=body)

    assert answer.status_code == 400
    assert answer.json()["Message"] == "The request is invalid."
    assert answer.json()["ModelState"] == {"request": [answer.json()["status"]["message"]]}


async def test_a_large_body_is_read_as_a_small_one_is(probe: httpx.AsyncClient) -> None:
    answer = await probe.post("/v3/echo", content=b"{'Text': '" + b"x" * 100_000 + b"'}")

    assert answer.json()["params"] == {"text": "x" * 100_000}


async def test_a_body_beyond_the_limit_is_refused(probe: httpx.AsyncClient) -> None:
    answer = await probe.post("/v3/echo", content=b" " * 200_001)

    assert answer.status_code == 413
    assert answer.json()["status"]["status_code"] == 413


async def test_a_compressed_body_is_refused(probe: httpx.AsyncClient) -> None:
    answer = await probe.post("/v3/echo", content=b"x", headers={"content-encoding": "gzip"})

    assert answer.status_code == 415


@pytest.mark.parametrize("sent", [{}, {"content-length": "0"}])
async def test_a_delete_without_a_body_is_told_what_node_does_and_loses_its_connection(
    probe: httpx.AsyncClient, sent: dict[str, str]
) -> None:
    answer = await probe.delete("/v3/echo", headers=sent)

    assert answer.status_code == 400
    assert answer.headers["connection"] == "close"
    assert "No request body arrived" in answer.json()["status"]["message"]
    assert "Content-Length" in answer.json()["ModelState"]["request"][0]


async def test_a_delete_with_the_body_null_has_a_body(probe: httpx.AsyncClient) -> None:
    answer = await probe.request("DELETE", "/v3/echo", content=b"null")

    assert answer.json()["params"] == {}


async def test_the_body_of_a_get_is_not_looked_at(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    body = b"credentials=none"
    sent = headers | {"content-type": "application/x-www-form-urlencoded"}

    answer = await client.request("GET", "/v3/test_my_credentials", content=body, headers=sent)

    assert answer.status_code == 200


# Answers


async def test_a_bug_shows_nothing_of_itself(probe: httpx.AsyncClient) -> None:
    answer = await probe.post("/v3/fall", json={"bug": 1})

    status = {"success": False, "status_code": 500, "message": "An error has occurred.", "debug": None}
    assert (answer.status_code, answer.json()) == (500, {"Message": "An error has occurred.", "status": status})


async def test_who_has_to_wait_is_told_for_how_long(probe: httpx.AsyncClient) -> None:
    answer = await probe.post("/v3/fall")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")


@pytest.mark.parametrize("settings", [Settings(faults=FaultSettings(("429 on get_user", "503 on add_*")))])
async def test_bad_weather_has_words_here_as_well(client: httpx.AsyncClient) -> None:
    many = await client.get("/v3/get_user")
    down = await client.post("/v3/add_event")

    assert (many.status_code, many.headers["retry-after"]) == (429, "1")
    assert many.json()["Message"] == "Too many requests"
    assert (down.status_code, down.json()["Message"]) == (503, "An error has occurred.")


async def test_every_answer_is_json_that_nobody_keeps_and_has_a_request_id(
    client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    for answer in (await client.get("/v3/get_user", headers=headers), await client.get("/v3/get_user")):
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert list(answer.json()["status"]) == ["success", "status_code", "message", "debug"]
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize("settings", [Settings(finerworks=FinerWorksSettings(v2_status=True))])
async def test_the_newer_status_has_two_keys_more(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    sent = headers | {"x-request-id": "mine"}

    for answer in (await client.get("/v3/get_user", headers=sent), await client.get("/v3/x", headers=sent)):
        assert list(answer.json()["status"])[4:] == ["reference_id", "domain"]
        assert answer.json()["status"]["reference_id"] == "mine" == answer.headers["x-request-id"]


# Web pages


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE"])
async def test_a_page_on_the_list_may_ask_with_both_key_headers(client: httpx.AsyncClient, verb: str) -> None:
    names = "web_api_key,app_key,content-type"
    sent = {"origin": PAGE, "access-control-request-method": verb, "access-control-request-headers": names}

    answer = await client.options("/V3/list_images", headers=sent)

    assert answer.status_code == 200
    assert verb in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == names
    assert answer.headers["access-control-allow-origin"] == PAGE


async def test_a_page_may_read_answers_and_errors(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    page = {"origin": PAGE}
    for answer in (
        await client.get("/v3/get_user", headers=headers | page),
        await client.get("/v3/get_user", headers=page),
        await client.get("/v3/no_such", headers=page),
        await client.put("/v3/get_user", headers=page),
    ):
        assert answer.headers["access-control-allow-origin"] == PAGE
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]


async def test_another_page_may_not(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v3/get_user", headers={"origin": "https://other.example"})

    assert "access-control-allow-origin" not in answer.headers


# Whatever is sent

NAMES = st.sampled_from(["account_key", "library", "type", "name", "details", "Account_Key", "session_id"]) | st.text(
    max_size=5
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.one_of(
    st.dictionaries(NAMES, VALUES, max_size=4).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    st.text("{}[]'\",:/* \n\\ua1-enlt", max_size=60).map(str.encode),
)


@tries(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(body=BODIES, query=st.binary(max_size=30), name=st.sampled_from(["add_event", "test_my_credentials"]))
async def test_whatever_is_sent_the_answer_is_no_fault_of_ours(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes, query: bytes, name: str
) -> None:
    url = httpx.URL("http://shop.test").copy_with(raw_path=f"/v3/{name}?".encode() + query.hex("%", 1).encode())

    answer = await client.post(url, content=body, headers=headers)

    assert answer.status_code in {200, 400}
    assert answer.json()["status"]["success"] is (answer.status_code == 200)


# Errors


def tree(kind: type[errors.PackshotError]) -> Iterator[type[errors.PackshotError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from tree(child)


@pytest.mark.parametrize("kind", list(tree(errors.PackshotError)), ids=lambda kind: kind.__name__)
async def test_every_error_of_the_domain_has_words_here(probe: httpx.AsyncClient, kind: Any) -> None:
    given_to = {
        "InvalidRequest": ("name", "is odd"), "InvalidValue": ("name", "is odd"), "MissingField": ("name",),
        "UnsupportedEncoding": ("gzip",), "RequestTooLarge": (1,), "RequestTooSlow": (), "StoreFull": (),
        "Unauthenticated": ("wrong",), "AccountStopped": ("blocked",), "Forbidden": ("catalog",),
        "NotFound": ("image", 7), "Conflict": ("is there",), "UnacceptableImage": ("no",), "UndecodableImage": ("no",),
        "ImageTooLarge": (1, 2, "bytes"), "LimitReached": ("calls", 3), "Unavailable": ("database",),
        "KeyReused": (), "StillRunning": (),
    }  # fmt: skip

    async def refuse(_: Call) -> Answer:
        raise kind(*given_to[kind.__name__])

    door: Any = probe._transport.app  # type: ignore[attr-defined] # noqa: SLF001 - the same door with another method
    other: Any = dataclasses.replace(door, methods={"x": Method("x", ("POST",), refuse)})
    transport = httpx.ASGITransport(other)
    async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=probe.headers) as client:
        answer = await client.post("/v3/x")

    body = answer.json()
    assert answer.status_code in {400, 403, 408, 409, 413, 415, 422, 503}
    assert ("ModelState" in body) == (answer.status_code == 400)
    assert body["status"]["status_code"] == answer.status_code
    assert body["Message"]
