"""The vendor's Python SDK, as it comes, over HTTPS: it knows no other scheme."""

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from b24pysdk import errors as sdk_errors  # type: ignore[import-untyped]
from b24pysdk.api import requesters as sdk_requesters  # type: ignore[import-untyped]

from pictures import jpeg, jpeg_of_size, png
from serving import serving

PICTURES = {"DETAIL_PICTURE": jpeg(40, 30), "PREVIEW_PICTURE": png(20, 10), "MORE_PHOTO": jpeg_of_size(400_000)}


@pytest.fixture
def client(pysdk: Callable[..., Any]) -> Any:
    return pysdk()


@pytest.fixture
def product_id(client: Any) -> int:
    return int(client.catalog.product.add({"iblockId": 1, "name": "Shirt"}).result["element"]["id"])


@pytest.fixture
def images(client: Any, product_id: int) -> dict[str, Any]:
    """An image of each type on the product, by type, as `add` returned them."""
    return {
        kind: client.catalog.product_image.add(
            {"productId": product_id, "type": kind}, ["test.jpeg", b64encode(data).decode()]
        ).result["productImage"]
        for kind, data in PICTURES.items()
    }


def download(url: str) -> bytes:
    """The bytes behind a link, by the SDK's own requester where its version has one, else by the library under it."""
    requester = getattr(sdk_requesters, "BitrixFileRequester", None)
    if requester is None:
        answer = requests.get(url, timeout=20)
        answer.raise_for_status()
        return bytes(answer.content)
    file = requester(url).call()
    assert file["name"] == "test.jpeg"
    return bytes(file["content"])


def test_the_fields_are_those_of_the_documentation(client: Any) -> None:
    fields = client.catalog.product_image.get_fields().result["productImage"]

    assert set(fields) == {"createTime", "detailUrl", "downloadUrl", "id", "name", "productId", "type"}
    assert fields["productId"] == {"isImmutable": False, "isReadOnly": False, "isRequired": True, "type": "string"}
    assert fields["id"]["isReadOnly"] is True


def test_an_image_of_each_type_is_added(images: dict[str, Any], product_id: int) -> None:
    assert [image["type"] for image in images.values()] == list(PICTURES)
    assert {image["productId"] for image in images.values()} == {product_id}
    assert len({image["id"] for image in images.values()}) == 3


def test_the_selected_fields_are_listed(client: Any, images: dict[str, Any], product_id: int) -> None:
    answer = client.catalog.product_image.list(product_id, select=["id", "type"]).response

    assert answer.result == {"productImages": [{"id": image["id"], "type": kind} for kind, image in images.items()]}
    assert answer.total == 3
    assert answer.next is None


def test_the_helper_for_whole_lists_finds_every_image(client: Any, images: dict[str, Any], product_id: int) -> None:
    found = list(client.catalog.product_image.list(product_id).as_list().result)

    assert [image["id"] for image in found] == [image["id"] for image in images.values()]


def test_an_image_is_got_with_the_time_of_the_answer(client: Any, images: dict[str, Any], product_id: int) -> None:
    wanted = images["PREVIEW_PICTURE"]

    answer = client.catalog.product_image.get(product_id, wanted["id"]).response

    got = answer.result["productImage"]
    assert {**got, "downloadUrl": ""} == {**wanted, "downloadUrl": ""}
    assert isinstance(answer.time.date_start, datetime)
    assert answer.time.duration >= 0


@pytest.mark.parametrize("kind", list(PICTURES))
def test_the_bytes_come_back_as_they_were_sent(images: dict[str, Any], kind: str) -> None:
    assert download(images[kind]["downloadUrl"]) == PICTURES[kind]


def test_a_deleted_image_is_missed_with_the_sdks_own_error(
    client: Any, images: dict[str, Any], product_id: int
) -> None:
    image_id = images["MORE_PHOTO"]["id"]

    deleted = client.catalog.product_image.delete(product_id, image_id).result

    assert deleted is True
    with pytest.raises(sdk_errors.BitrixAPIBadRequest) as caught:
        _ = client.catalog.product_image.get(product_id, image_id).result
    assert caught.value.status_code == 400
    assert "not found" in str(caught.value)
    assert client.catalog.product_image.list(product_id, select=["id"]).response.total == 2


def test_a_link_to_a_deleted_image_is_dead(client: Any, images: dict[str, Any], product_id: int) -> None:
    client.catalog.product_image.delete(product_id, images["MORE_PHOTO"]["id"]).result  # noqa: B018 - this sends it

    assert requests.get(images["MORE_PHOTO"]["downloadUrl"], timeout=20).status_code == 404


def test_a_second_start_keeps_the_authority_whose_key_is_nowhere(tmp_path: Path) -> None:
    place = tmp_path / "data" / "tls-dev" / "local"
    with serving(tmp_path / "data", "--tls-dev") as server:
        first, facts = (place / "authority.pem").read_bytes(), server.facts

    with serving(tmp_path / "data", "--tls-dev", facts=facts) as server:
        assert server.base_url.startswith("https://127.0.0.1:")
        assert (place / "authority.pem").read_bytes() == first
    keys = [path for path in tmp_path.rglob("tls-dev/**/*") if path.is_file()]
    assert {path.name for path in keys} == {"authority.pem", "server.pem", "server.key"}
    assert all(b"PRIVATE KEY" not in path.read_bytes() for path in keys if path.name != "server.key")
