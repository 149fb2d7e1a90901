"""Every error of the domain has words in this protocol, and whatever is not of the domain keeps its own to itself."""

import dataclasses
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import httpx
import pytest

from packshot import app
from packshot.config import Settings
from packshot.domain import errors
from packshot.domain.errors import PackshotError
from packshot.protocols.bitrix.errors import (
    INTERNAL,
    BitrixSettings,
    UnknownMethod,
    WrongParameter,
    WrongVerb,
    body,
    to_wire,
)
from packshot.services.core import Core
from packshot.services.setup import Seed

SETTINGS = BitrixSettings()
EXCLUDED = "The user does not have access to the application"
WHYS = get_args(get_type_hints(errors.Unauthenticated.__init__)["why"])

EXAMPLES: list[PackshotError] = [
    errors.InvalidRequest("name", "is odd"),
    errors.MissingField("name"),
    errors.InvalidValue("name", "is odd"),
    errors.UnsupportedEncoding("gzip"),
    errors.RequestTooLarge(100),
    errors.RequestTooSlow(),
    *(errors.Unauthenticated(why) for why in WHYS),
    *(errors.AccountStopped(state) for state in ("blocked", "no_plan", "closed")),
    errors.Forbidden("catalog", by_token=True),
    *(errors.Forbidden(scope) for scope in ("catalog", "image:read", "image:write")),
    *(errors.NotFound(kind, 7) for kind in ("product", "image", "catalog")),
    errors.Conflict("is there already"),
    errors.UnacceptableImage("is no picture"),
    errors.UndecodableImage("is cut off"),
    *(errors.ImageTooLarge(10, 20, unit) for unit in ("bytes", "pixels", "frames")),
    errors.KeyReused(),
    errors.StillRunning(),
    errors.LimitReached("uploads at once", 3),
    errors.Unavailable("database"),
    errors.StoreFull(),
]


class NoErrorOfOurs(Exception):
    """What a library might raise."""


def tree(kind: type[PackshotError]) -> Iterator[type[PackshotError]]:
    """The classes below *kind* that the domain itself defines."""
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
        yield from tree(child)


def test_every_class_of_the_tree_has_an_example() -> None:
    assert {type(example) for example in EXAMPLES} == set(tree(PackshotError))


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_every_error_has_a_status_a_code_and_a_sentence(error: PackshotError) -> None:
    answer = to_wire(error, SETTINGS)
    content = body(answer, SETTINGS)

    assert answer is not INTERNAL
    assert 400 <= answer.status <= 503
    assert content.keys() == {"error", "error_description"}
    assert content["error"] != ""
    assert content["error_description"]


@pytest.mark.parametrize("error", EXAMPLES, ids=repr)
def test_a_class_made_later_is_answered_as_its_parent(error: PackshotError) -> None:
    child: type[PackshotError] = type("Later", (type(error),), {})
    later = child.__new__(child)
    later.__dict__.update(error.__dict__)
    later.args = error.args

    assert to_wire(later, SETTINGS) == to_wire(error, SETTINGS)


@pytest.mark.parametrize(
    ("error", "status", "code", "sentence"),
    [
        (errors.Unauthenticated("absent"), 401, "NO_AUTH_FOUND", "Wrong authorization data"),
        (errors.Unauthenticated("wrong"), 401, "NO_AUTH_FOUND", "Wrong authorization data"),
        (errors.Unauthenticated("unknown_token"), 401, "invalid_token", "Unable to get application by token"),
        (errors.Unauthenticated("expired"), 401, "expired_token", "The access token provided has expired"),
        (errors.Unauthenticated("forged"), 403, "INVALID_CREDENTIALS", "Invalid request credentials"),
        (errors.Unauthenticated("disabled"), 403, "INVALID_CREDENTIALS", "Invalid request credentials"),
        (errors.Unauthenticated("excluded"), 403, "user_access_error", EXCLUDED),
        (errors.AccountStopped("blocked"), 503, "OVERLOAD_LIMIT", "REST API is blocked due to overload"),
        (errors.AccountStopped("no_plan"), 403, "ACCESS_DENIED", "REST API is available only on commercial plans"),
        (errors.AccountStopped("closed"), 500, "PORTAL_DELETED", "Portal was deleted"),
        (errors.Forbidden("image:read"), 400, 200040300010, "Access Denied"),
        (errors.Forbidden("image:write"), 400, 200040300020, "Access Denied"),
        (errors.LimitReached("uploads", 3), 503, "QUERY_LIMIT_EXCEEDED", "Too many requests"),
        (errors.StoreFull(), 400, 0, "Disk space limit exceeded"),
        (errors.Unavailable("database"), 503, "INTERNAL_SERVER_ERROR", "Internal server error"),
        (errors.RequestTooLarge(5), 413, 0, "Maximum upload file size exceeded: The request is larger than 5 bytes"),
        (errors.NotFound("image", 9), 400, 0, "Image with the specified identifier not found"),
        (UnknownMethod(), 404, "ERROR_METHOD_NOT_FOUND", "Method not found!"),
        (WrongParameter("id", "Could not find it"), 400, 100, "Could not find it"),
        (WrongVerb("GET", "HEAD"), 405, "INVALID_REQUEST", "This address is called by GET or HEAD"),
    ],
    ids=repr,
)  # fmt: skip
def test_documented_errors_have_the_documented_words(
    error: PackshotError, status: int, code: int | str, sentence: str
) -> None:
    answer = to_wire(error, SETTINGS)

    assert answer.status == status
    assert body(answer, SETTINGS) == {"error": code, "error_description": sentence}


@pytest.mark.parametrize("error", [errors.LimitReached("uploads", 3), errors.Unavailable("disk")], ids=repr)
def test_an_error_that_passes_says_when_to_try_again(error: PackshotError) -> None:
    assert to_wire(error, SETTINGS).retry_after_s in {1, 3}


def test_a_setting_quotes_codes_of_digits_and_leaves_words() -> None:
    quoted = BitrixSettings(error_codes="string")

    assert body(to_wire(errors.StoreFull(), quoted), quoted)["error"] == "0"
    assert body(to_wire(errors.Forbidden("image:write"), quoted), quoted)["error"] == "200040300020"
    assert body(INTERNAL, quoted)["error"] == "INTERNAL_SERVER_ERROR"


@pytest.mark.parametrize(
    "error",
    [
        NoErrorOfOurs("secret"),
        KeyError("secret"),
        OSError(5, "secret"),
        RecursionError("secret"),
        PackshotError("secret"),
    ],
)
def test_a_foreign_error_is_a_500_that_says_nothing_of_it(error: Exception) -> None:
    answer = to_wire(error, SETTINGS)

    assert answer.status == 500
    assert body(answer, SETTINGS) == {"error": "INTERNAL_SERVER_ERROR", "error_description": "Internal server error"}


async def test_a_bug_of_ours_reaches_the_client_as_the_documented_500(
    core: Core, seed: Seed, settings: Settings
) -> None:
    broken: Any = dataclasses.replace(core, db="a secret that is no database")  # type: ignore[arg-type]
    asgi: Any = app.build(broken, settings, lambda: True)[0]

    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop.test") as client:
        answer = await client.post(f"/rest/{seed.user_id}/{seed.webhook_code}/catalog.catalog.list")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json() == {"error": "INTERNAL_SERVER_ERROR", "error_description": "Internal server error"}
