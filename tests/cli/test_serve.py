"""`packshot serve`: what it says on the way up."""

from pathlib import Path

import pytest

from serving import serving


@pytest.mark.parametrize(
    ("options", "settings", "minded"),
    [
        (["--host", "0.0.0.0"], {}, True),
        (["--host", "0.0.0.0"], {"PACKSHOT_BITRIX_REQUIRE_HTTPS": "true"}, False),
        (["--host", "0.0.0.0", "--tls-dev"], {}, False),
        ([], {}, False),
    ],
    ids=["open", "https required", "https", "this machine only"],
)
def test_plain_http_on_an_open_address_is_minded(
    tmp_path: Path, options: list[str], settings: dict[str, str], *, minded: bool
) -> None:
    with serving(tmp_path / "data", *options, environment=settings) as server:
        assert ("plain HTTP on an open address" in server.printed()) is minded
