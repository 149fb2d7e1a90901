"""What goes over the wire: PHP's brackets, and signatures that anybody can check."""

import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packshot.protocols.body import parse_form
from packshot.services.event_form import form, signed

PHP = [
    ({"a": 1}, b"a=1"),
    ({"a": {"b": {"c": "x y&z"}}}, b"a[b][c]=x+y%26z"),
    ({"a": ["x", "y"]}, b"a[0]=x&a[1]=y"),
    ({"a": True, "b": False, "c": None, "d": {}, "e": []}, b"a=1&b=0"),
    ({"name": "\u0448\u0430\u0440\u0444", "q": "a+b=c%"}, b"name=%D1%88%D0%B0%D1%80%D1%84&q=a%2Bb%3Dc%25"),
    ({"a b": {"c&d": 1.5}}, b"a+b[c%26d]=1.5"),
]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0[]"), min_size=1, max_size=10)


@pytest.mark.parametrize(("tree", "text"), PHP)
def test_a_tree_is_written_as_php_writes_it(tree: dict[str, Any], text: bytes) -> None:
    assert form(tree) == text


@given(st.dictionaries(TEXT, st.recursive(TEXT, lambda inside: st.dictionaries(TEXT, inside, min_size=1, max_size=3))))
def test_what_is_written_reads_back(tree: dict[str, Any]) -> None:
    def settled(value: Any) -> Any:
        """Keys that count from 0 make a list, for PHP as for us."""
        if not isinstance(value, dict):
            return value
        inner = {key: settled(item) for key, item in value.items()}
        return list(inner.values()) if list(inner) == [str(number) for number in range(len(inner))] else inner

    assert parse_form(form(tree)) == {key: settled(value) for key, value in tree.items()}


def test_the_signature_is_that_of_the_documented_example() -> None:
    headers = signed("secret", 1, 1_714_649_632, b"event=ONAPPTEST&ts=1714649632")

    assert headers["X-Packshot-Signature"] == "v1=084429a67d49c61d5b09e324cc9a75aeb116c5263692553a5846c3a78470a7c9"


def test_the_signature_is_the_hmac_of_id_timestamp_and_body() -> None:
    headers = signed("key", 17, 1_714_649_632, b"event=ONAPPTEST")

    expected = hmac.new(b"key", b"17.1714649632.event=ONAPPTEST", hashlib.sha256).hexdigest()
    assert headers == {
        "X-Packshot-Event-Id": "17",
        "X-Packshot-Timestamp": "1714649632",
        "X-Packshot-Signature": f"v1={expected}",
    }


@pytest.mark.parametrize(
    ("secret", "event_id", "second", "body"),
    [("kez", 17, 1_714_649_632, b"x"), ("key", 18, 1_714_649_632, b"x"), ("key", 17, 1_714_649_633, b"x"),
     ("key", 17, 1_714_649_632, b"y")],
)  # fmt: skip
def test_any_other_secret_id_time_or_body_has_another_signature(
    secret: str, event_id: int, second: int, body: bytes
) -> None:
    first = signed("key", 17, 1_714_649_632, b"x")["X-Packshot-Signature"]

    assert signed(secret, event_id, second, body)["X-Packshot-Signature"] != first
