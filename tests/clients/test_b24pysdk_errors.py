"""Which of its errors the vendor's Python SDK raises, and what is in them."""

from collections.abc import Callable
from typing import Any

import pytest
from b24pysdk import errors  # type: ignore[import-untyped]
from b24pysdk.api.requesters import BitrixFileRequester  # type: ignore[import-untyped]

from serving import Server

Pysdk = Callable[..., Any]
ABSENT = 999_999


def call(client: Any, method: str, **params: Any) -> Any:
    """What a method answers that the SDK has no helper for, or that is called without what it needs."""
    return client.get_token().call_method(method, params)


@pytest.mark.parametrize(
    ("method", "params", "text"),
    [
        ("catalog.productImage.get", {"productId": ABSENT, "id": 1}, "Product with the specified identifier not found"),
        ("catalog.productImage.get", {"productId": 1}, "Could not find value for parameter {id}"),
        ("catalog.productImage.add", {}, "Could not find value for parameter {fields}"),
        ("catalog.product.add", {"fields": {"iblockId": 1}}, "Required fields: name"),
    ],
)
def test_what_is_wrong_with_a_call_is_a_bad_request(
    pysdk: Pysdk, method: str, params: dict[str, Any], text: str
) -> None:
    with pytest.raises(errors.BitrixAPIBadRequest) as caught:
        call(pysdk(), method, **params)

    assert caught.value.status_code == 400
    assert str(caught.value) == text


def test_a_method_that_does_not_exist_is_not_found(pysdk: Pysdk) -> None:
    with pytest.raises(errors.BitrixAPINotFound) as caught:
        call(pysdk(), "catalog.productImage.paint")

    assert caught.value.error == "ERROR_METHOD_NOT_FOUND"


@pytest.mark.parametrize("token", ["1/wrong", "2/wrong", "1/" + "a" * 32])
def test_a_wrong_webhook_is_unauthorized(pysdk: Pysdk, token: str) -> None:
    with pytest.raises(errors.oauth.BitrixOAuthNoAuthFound) as caught:
        call(pysdk(token), "catalog.productImage.getFields")

    assert isinstance(caught.value, errors.BitrixAPIUnauthorized)
    assert caught.value.status_code == 401


def test_a_webhook_without_the_scope_is_told_so(pysdk: Pysdk, narrow: str) -> None:
    with pytest.raises(errors.BitrixAPIInsufficientScope) as caught:
        call(pysdk(narrow), "catalog.productImage.getFields")

    assert caught.value.status_code == 403


def test_a_busy_server_is_asked_again(pysdk: Pysdk) -> None:
    client = pysdk(initial_retry_delay=0.01, max_retries=2)

    answers = [client.catalog.catalog.get_fields().result for _ in range(3)]  # at least one of them is refused first

    assert all("iblockId" in answer["catalog"] for answer in answers)


def test_a_server_that_stays_busy_is_an_error_of_its_own(pysdk: Pysdk) -> None:
    client = pysdk(initial_retry_delay=0.01, max_retries=2)

    with pytest.raises(errors.BitrixAPIQueryLimitExceeded) as caught:
        client.catalog.catalog.is_offers(1).call()

    assert caught.value.status_code == 503
    assert int(caught.value.response.headers["Retry-After"]) >= 1


def test_a_failed_download_has_an_error_of_its_own(pysdk: Pysdk, shop: Server) -> None:
    client = pysdk()
    product_id = shop.facts["with_images"][1]
    (image,) = client.catalog.product_image.list(product_id).result["productImages"]

    with pytest.raises(errors.BitrixFileDownloadError) as caught:
        BitrixFileRequester(image["downloadUrl"][:-4] + "AAAA").call()

    assert caught.value.response.status_code == 403
