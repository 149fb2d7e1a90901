"""What of a call must not be read, and what has to stay readable."""

import json
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.emulator.masking import masked_headers, masked_path, text_masker

CODE = "epjg5na4yc3t3iwy24vswouukgfvbhfk"
SECRETS = st.text(string.ascii_letters + string.digits + "-._~!*()", min_size=12, max_size=60).map(
    "~5~".__add__
)  # like nothing else


def mask(text: str, path: str = f"/rest/1/{CODE}/catalog.product.list") -> str:
    return text_masker(path)(text)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/rest/1/{CODE}/catalog.product.add", "/rest/1/***/catalog.product.add"),
        (f"/rest/1/{CODE}/catalog.product.add.json", "/rest/1/***/catalog.product.add.json"),
        (f"/rest/1/{CODE}/batch/", "/rest/1/***/batch/"),
        (f"/rest/api/1/{CODE}/catalog.product.add", "/rest/api/1/***/catalog.product.add"),
        (f"//rest//1//{CODE}//profile", "//rest//1//***//profile"),
        (f"/rest/1/{CODE}", "/rest/1/***"),
        (f"/rest/{CODE}/profile", "/rest/***/profile"),
        (f"/rest/one/{CODE}/profile", "/rest/***/***/profile"),
        ("/rest/1/too-short/profile", "/rest/1/***/profile"),
        (f"/rest/1/{CODE}/no/such/method", "/rest/1/***/***/***/method"),
        (f"/REST/1/{CODE}/profile", "/REST/1/***/profile"),
        (f"/1/{CODE}/profile", "/1/***/profile"),
        ("/rest/1/%65pjg5na4yc3t3iwy24vswouukgfvbhfk/profile", "/rest/1/***/profile"),
        ("/rest/catalog.product.add", "/rest/catalog.product.add"),
        ("/oauth/token/", "/oauth/token/"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_of_an_address_all_is_shown_but_what_may_be_a_code(path: str, shown: str) -> None:
    assert masked_path(path) == shown


@pytest.mark.parametrize(
    "name",
    ["auth", "AUTH_ID", "access_token", "refresh_token", "REFRESH_ID", "client_secret", "password", "application_token",
     "sessid", "app_key", "web_api_key"],
)  # fmt: skip
@given(secret=SECRETS)
def test_no_parameter_that_is_a_secret_survives_in_whatever_form_it_travels(name: str, secret: str) -> None:
    texts = [
        json.dumps({"id": 1, name: secret, "next": 2}),
        json.dumps({"id": 1, name: [secret]}, indent=2),
        json.dumps({"body": json.dumps({name: secret})}),
        json.dumps({"cmd": {"a": f"user.current?{name}={secret}&id=1"}}),
        f"id=1&{name}={secret}&next=2",
        f"fields%5B{name}%5D={secret}&next=2",
        f"fields[{name}]={secret}",
        f"cmd%5Ba%5D=user.current%3F{name}%3D{secret}%26id%3D1",
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{secret}\r\n--x--\r\n',
        f'--x\r\ncontent-disposition: form-data; name="fields[{name}]"; a=b\r\nX-B: c\r\n\r\n{secret}\r\n--x--\r\n',
    ]

    assert not [text for text in texts if secret in mask(text)]


def test_what_stands_beside_a_secret_stays() -> None:
    text = '{"auth":"s3cret","fields":{"name":"Author\'s mug, \\"big\\"","code":"mug-1","sort":5},"token":7}'

    assert mask(text) == text.replace('"s3cret"', '"***"').replace('"token":7', '"token":"***"')
    assert mask("id=1&auth=s3cret&code=mug-1") == "id=1&auth=***&code=mug-1"
    assert json.loads(mask(text))["fields"]["sort"] == 5


def test_a_password_with_every_sign_in_it_is_masked_whole() -> None:
    secret = 'a "quoted", {braced} and spaced\\ out & = one'

    assert json.loads(mask(json.dumps({"password": secret, "id": 1}))) == {"password": "***", "id": 1}


def test_json_inside_a_text_of_json_stays_json() -> None:
    text = json.dumps({"inner": json.dumps({"refresh_token": "abcdef", "id": 1})})

    assert json.loads(json.loads(mask(text))["inner"]) == {"refresh_token": "***", "id": 1}


def test_code_is_a_secret_only_where_it_buys_a_token() -> None:
    assert mask("code=abc&id=1", "/oauth/token/") == "code=***&id=1"
    assert mask('{"code":"abc"}', "/oauth/token/") == '{"code":"***"}'
    assert mask('{"code":"abc"}') == '{"code":"abc"}'


@pytest.mark.parametrize(
    "text",
    [
        f"https://shop.example/rest/1/{CODE[::-1]}/profile",
        f'{{"url":"https:\\/\\/shop.example\\/rest\\/1\\/{CODE[::-1]}\\/profile"}}',
        f"url=https%3A%2F%2Fshop.example%2Frest%2F1%2F{CODE[::-1]}%2Fprofile",
        f"the code {CODE} is not yours",
        f"http://127.0.0.1/rest/download.json?token=catalog%7C{CODE[::-1]}%7Cxyz",
    ],
)
def test_addresses_with_codes_in_a_body_and_the_code_of_the_call_itself_are_masked(text: str) -> None:
    shown = mask(text)

    assert CODE not in shown
    assert CODE[::-1] not in shown
    assert "***" in shown


def test_headers_that_identify_the_caller_are_masked() -> None:
    headers = [
        (b"authorization", b"Bearer abcdef"), (b"cookie", b"session=abcdef"), (b"set-cookie", b"s=abcdef; Path=/"),
        (b"x-api-key", b"abcdef"), (b"web_api_key", b"abcdef"), (b"x-packshot-signature", b"abcdef"),
        (b"referer", f"http://127.0.0.1/rest/1/{CODE}/profile".encode()), (b"location", b"/?code=abcdef&state=1"),
        (b"accept", b"*/*"),
    ]  # fmt: skip

    shown = masked_headers(headers, text_masker("/oauth/authorize/"))

    assert "abcdef" not in str(shown)
    assert CODE not in str(shown)
    assert dict(shown)["authorization"] == "Bearer ***"
    assert dict(shown)["accept"] == "*/*"
    assert dict(shown)["location"] == "/?code=***&state=1"


@given(st.text(max_size=300))
def test_any_text_can_be_masked(text: str) -> None:
    assert isinstance(mask(text), str)


@pytest.mark.parametrize(
    "text",
    ["auth" * 20_000, 'auth":"' * 10_000, "auth=" * 15_000, "/rest/1" * 10_000, "\\" * 60_000, "/" * 60_000,
     "%2F" * 20_000, "/rest" + "/" * 60_000, '"auth":' + " " * 60_000, 'auth"\r\n' * 10_000, "auth" + "]" * 60_000,
     "auth%3D" + "%25" * 20_000],
    ids=range(12),
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()

    mask(text)

    assert time.process_time() - started < 1
