"""Whatever is sent, the answer is the protocol's own error and never a 500; test_fuzz.py has the parameters."""

import json
import string
from typing import Any
from urllib.parse import quote, quote_from_bytes

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st

from packshot.config import Settings
from packshot.domain.images import ProductImage
from packshot.observability import LogSettings
from packshot.protocols.bitrix.methods import METHODS
from packshot.protocols.bitrix.product_fields import WIRE_NAMES

ADD = "catalog.productImage.add"
LIST = "catalog.productImage.list"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
METHOD_NAMES = [method.name for method in METHODS.values()]
PADDING = b'"' + b"A" * 40_000 + b'"'
"""Makes a body large enough for its file content to stay undecoded JSON at first."""

MANY = tries(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def settings() -> Settings:
    return Settings(log=LogSettings(requests=False))


def check(answer: httpx.Response) -> None:
    """See that this is an answer or a refusal of the protocol, and no failure of ours."""
    expected = {"error", "error_description"} if answer.status_code != 200 else {"result", "time"}
    assert 200 <= answer.status_code < 500, answer.text
    assert expected <= answer.json().keys()


def refused(answer: httpx.Response, status: int = 400) -> bool:
    return answer.status_code == status and answer.json().keys() == {"error", "error_description"}


@MANY
@given(
    method=st.sampled_from(METHOD_NAMES),
    content=st.binary(max_size=60) | st.text('{}[]",:\\u0d8e1-.eEtrunfals \n', max_size=30).map(str.encode),
    content_type=st.sampled_from(
        [JSON, FORM, "text/plain", "", "multipart/form-data; boundary=x", "multipart/form-data"]
    ),
)
async def test_no_bytes_make_a_method_fail(
    method: str, content: bytes, content_type: str, client: httpx.AsyncClient, hook: str
) -> None:
    check(await client.post(hook + method, content=content, headers={"content-type": content_type}))


@MANY
@given(query=st.text("%[]&=;+\\0pIi1d5é" + string.hexdigits, max_size=60))
async def test_no_query_makes_a_method_fail(query: str, client: httpx.AsyncClient, hook: str) -> None:
    for text in (query, quote(query), quote_from_bytes(query.encode("utf-16"))):
        check(await client.get(f"http://shop.test{hook}{LIST}?productId=1&{text}"))


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (JSON, b"{"),
        (JSON, b'{"productId":1,}'),
        (JSON, b"{'productId':1}"),
        (JSON, b'"text"'),
        (JSON, b"17"),
        (JSON, b'{"productId":NaN}'),
        (JSON, b'{"productId":1e999}'),
        (JSON, b'{"productId":' + b"9" * 5000 + b"}"),
        (JSON, b'{"productId":"a\\u0000b"}'),
        (JSON, b'{"productId":"\\ud800"}'),
        (JSON, b'{"productId":"\xff"}'),
        (JSON, b'{"a":' * 100_000),
        (JSON, b"[" * 100_000),
        (JSON, b"{" + b",".join(b'"%d":1' % number for number in range(1001)) + b"}"),
        (JSON, b"productId=1"),
        (FORM, b"productId=%00"),
        (FORM, b"productId=%ff"),
        (FORM, b"a" + b"[a]" * 100 + b"=1"),
        (FORM, b"a=1&" * 1001),
        ("text/plain", b'{"productId":'),
        ("multipart/form-data", b"--x--"),
        ("multipart/form-data; boundary=x", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b'--x\r\ncontent-disposition: form-data; name="id"\r\n\r\n\xff\r\n--x--'),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_a_400_with_code_0(
    content_type: str, body: bytes, client: httpx.AsyncClient, hook: str
) -> None:
    for method in (LIST, ADD):
        answer = await client.post(hook + method, content=body, headers={"content-type": content_type})

        assert refused(answer), answer.text
        assert answer.json()["error"] == 0


@pytest.mark.parametrize(
    "file_content_",
    [
        b'["\xff.png",$]',
        b'["\\ud800.png",$]',
        b'["a\\u0000.png",$]',
        b"[" + b"1" * 5000 + b",$]",
        b"[1e999,$]",
        b'[["a.png"],$]',
        b'["a.png","\\ud800",$]',
        b'["a.png",["$"]]',
        b'["a.png",' + b"1" * 40_000 + b"]",
        b'{"\xff":"a.png","1":$}',
        b'{"0":"a.png","1":{"0":$}}',
        b'{"fileData":' * 20 + b'["a.png",$]' + b"}" * 20,
        b'{"fileData":$}',
        b"{" * 31 + b'"a":$' + b"}" * 31,
        b'["a.png","\xff\\/' + b"A" * 40_000 + b'"]',
        b"$",
    ],
    ids=range(16),
)
async def test_a_large_file_content_that_cannot_be_read_is_a_400(
    file_content_: bytes, client: httpx.AsyncClient, hook: str, product: int
) -> None:
    body = b'{"fields":{"productId":%d},"fileContent":' % product + file_content_.replace(b"$", PADDING) + b"}"

    answer = await client.post(hook + ADD, content=body, headers={"content-type": JSON})

    assert refused(answer), answer.text


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "GZIP", "gzip, gzip", "x" * 200])
async def test_a_compressed_body_is_a_415(encoding: str, client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(hook + LIST, content=b"x", headers={"content-encoding": encoding})

    assert refused(answer, 415)


async def test_an_uncompressed_body_may_say_so(client: httpx.AsyncClient, hook: str, image: ProductImage) -> None:
    body = json.dumps({"productId": image.product_id})

    answer = await client.post(hook + LIST, content=body, headers={"content-encoding": "identity"})

    assert answer.status_code == 200


@pytest.mark.parametrize("length", ["-1", "1, 1", "abc", "9" * 30])
async def test_an_impossible_content_length_is_refused(length: str, client: httpx.AsyncClient, hook: str) -> None:
    answer = await client.post(hook + LIST, content=b"{}", headers={"content-length": length})

    assert answer.status_code in {400, 413}
    assert answer.json().keys() == {"error", "error_description"}


@pytest.mark.parametrize(
    "filter_",
    [
        {"%name": "a" * 60_000},
        {"=%name": "%a" * 10_000 + "b"},
        {f"!%{'_' * number}name": "zz" for number in range(990)},
        {f"{'_' * number}id": list(range(20)) for number in range(900)},
        {"id": list(range(1001))},
        {">id": [1, 2]},
        {"id": 2**70},
        {">createTime": "9999-12-31T23:59:59-14:00"},
        {"<createTime": "0001-01-01T00:00:00+14:00"},
        {"createTime": "yesterday"},
        {"id": {"a": {"b": 1}}},
        {"": 1, "%": 1, "!": 1, "_": 1},
        "id",
        5,
        [1],
    ],
    ids=range(15),
)
async def test_no_filter_makes_a_list_fail(
    filter_: Any, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    for start in (0, -1):
        params = {"productId": image.product_id, "filter": filter_, "start": start}

        check(await client.post(hook + LIST, json=params))


@pytest.mark.parametrize("start", [2**63 - 1, 2**63, -(2**70), "1.5", [], {}, True, "9" * 4000])
async def test_no_start_makes_a_list_fail(
    start: Any, client: httpx.AsyncClient, hook: str, image: ProductImage
) -> None:
    check(await client.post(hook + LIST, json={"productId": image.product_id, "start": start}))


@pytest.mark.parametrize(
    "fields",
    [
        {"dateActiveFrom": "0001-01-01T00:00:00+14:00"},
        {"dateActiveTo": "9999-12-31T23:59:59-14:00"},
        {"height": 1e300},
        {"weight": -1e300},
        {"purchasingPrice": 1e308},
        {"sort": 2**63},
        {"name": "x" * 1_000_000},
        {"name": {"a": 1}},
        {"code": ["a"]},
        {"createdBy": None, "sort": None, "active": None, "quantity": None, "previewText": None},
    ],
    ids=lambda fields: next(iter(fields)),
)
async def test_no_field_of_a_product_makes_it_unreadable(fields: Any, client: httpx.AsyncClient, hook: str) -> None:
    everything = {"select": ["id", "iblockId", *WIRE_NAMES.values()], "filter": {"iblockId": 1}}
    first = {"fields": {"iblockId": 1, "name": "Shirt"}}
    product = (await client.post(hook + "catalog.product.add", json=first)).json()["result"]["element"]["id"]

    check(await client.post(hook + "catalog.product.add", json={"fields": first["fields"] | fields}))
    check(await client.post(hook + "catalog.product.update", json={"id": product, "fields": fields}))

    assert (await client.post(hook + "catalog.product.get", json={"id": product})).status_code == 200
    assert (await client.post(hook + "catalog.product.list", json=everything)).status_code == 200
