"""Presigned addresses, as far as no bucket is needed to see what they say."""

from urllib.parse import parse_qs, urlsplit

import pytest

import bucket
from packshot.config import BadSetting, load
from packshot.storage.blobs.presigned import Credentials, Signer
from packshot.storage.blobs.s3 import open_bucket


def test_a_session_token_and_odd_names_are_signed_as_well() -> None:
    bucket.environment()
    own = Credentials("id", "secret", "a/token+=")
    answer = {"content-disposition": "attachment; filename*=UTF-8''%C3%A4", "etag": "left out"}

    location = Signer(open_bucket("s3://shop/a"), own, lambda: 0.0).sign("blobs/ab/x", answer)
    asked = parse_qs(urlsplit(location).query)

    assert urlsplit(location).path == "/shop/a/blobs/ab/x"
    assert asked["X-Amz-Security-Token"] == ["a/token+="]
    assert asked["response-content-disposition"] == [answer["content-disposition"]]
    assert asked["X-Amz-Date"] == ["19700101T000000Z"]
    assert "left" not in location


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "needs originals in a bucket"),
        ({"PACKSHOT_BLOBS_URL": "s3://shop/a"}, "needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"PACKSHOT_DELIVERY_PRESIGN_ENDPOINT": "shop"}, "has to look like https://"),
    ],
)
def test_what_cannot_be_presigned_is_refused_at_the_start(environment: dict[str, str], words: str) -> None:
    with pytest.raises(BadSetting, match=words):
        load(None, {"PACKSHOT_DELIVERY_PRESIGN": "true", **environment})
