"""Addresses in a bucket that let their bearer GET one object for a while (Signature Version 4 in the query).

obstore signs addresses too, but without a word on the headers of the answer.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import obstore
from obstore.store import S3Store

from packshot.storage.blobs import PRESIGNED_S

HEADERS = ("cache-control", "content-disposition", "content-type")
"""What may be said of an answer."""

_ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(msgspec.Struct, frozen=True):
    """What signs: the usual `AWS_*` variables, since those of a machine's role are known to obstore alone."""

    key_id: str
    secret: str
    token: str = ""


def credentials(environment: Mapping[str, str]) -> Credentials | None:
    """The credentials in the environment, if there are any."""
    key_id, secret = (environment.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    return Credentials(key_id, secret, environment.get("AWS_SESSION_TOKEN", "")) if key_id and secret else None


class Signer:
    """Makes addresses of a bucket, as clients reach it: with the host, the region and the prefix that *bucket* has."""

    def __init__(self, bucket: S3Store, own: Credentials, clock: Callable[[], float] = time.time) -> None:
        # The one thing asked of obstore's signature is what it is about.
        signed = urlsplit(obstore.sign(bucket, "GET", "x", timedelta(seconds=PRESIGNED_S)))
        query = dict(part.split("=", 1) for part in signed.query.split("&"))
        self._root = f"{signed.scheme}://{signed.netloc}"
        self._host = signed.netloc
        self._path = signed.path.removesuffix("x")
        self._region = query["X-Amz-Credential"].split("%2F")[2]
        self._own = own
        self._clock = clock

    def sign(self, name: str, answer: Mapping[str, str]) -> str:
        """The address of the object of that name, whose answer has these headers."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        date, moment = f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
        scope = f"{date}/{self._region}/s3/aws4_request"
        asked = {f"response-{header}": answer[header] for header in HEADERS if header in answer}
        asked |= {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self._own.key_id}/{scope}",
            "X-Amz-Date": moment,
            "X-Amz-Expires": str(PRESIGNED_S),
            "X-Amz-SignedHeaders": "host",
        }
        if self._own.token:
            asked["X-Amz-Security-Token"] = self._own.token
        query = urlencode(sorted(asked.items()), quote_via=quote, safe="-_.~")
        path = self._path + name
        request = f"GET\n{path}\n{query}\nhost:{self._host}\n\nhost\nUNSIGNED-PAYLOAD"
        said = f"{_ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        return f"{self._root}{path}?{query}&X-Amz-Signature={self._signature(date, said)}"

    def _signature(self, date: str, said: str) -> str:
        key = f"AWS4{self._own.secret}".encode()
        for part in (date, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return hmac.digest(key, said.encode(), "sha256").hex()
