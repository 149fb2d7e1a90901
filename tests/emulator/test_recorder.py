"""What is kept of calls, where, and what that costs those who call."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from build import file_content
from packshot import app
from packshot.config import Settings
from packshot.emulator import calls
from packshot.emulator.calls import RecordedCall
from packshot.emulator.recorder import Recorder, recorded
from packshot.services.core import Core
from packshot.services.setup import Seed
from pictures import png

COUNT = 5
SHIRT = {"fields": {"iblockId": 1, "name": "Shirt", "code": "shirt-1"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


@pytest.fixture
def recorder(folder: Path) -> Recorder:
    return Recorder(folder, COUNT)


@pytest.fixture
async def client(core: Core, seed: Seed, settings: Settings, recorder: Recorder) -> AsyncIterator[httpx.AsyncClient]:
    asgi: Any
    asgi, _ = app.build(core, settings, lambda: True, recorder)
    base_url = f"http://shop.test/rest/{seed.user_id}/{seed.webhook_code}/"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url=base_url) as opened:
        yield opened


def kept(recorder: Recorder, folder: Path) -> list[RecordedCall]:
    recorder.flush()
    return calls.read(folder)


async def test_a_call_is_kept_as_it_went_over_the_wire(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path
) -> None:
    answer = await client.post("catalog.product.add?x=1", json=SHIRT, headers={"x-request-id": "mine"})

    (call,) = kept(recorder, folder)
    assert call.line == "POST /rest/1/***/catalog.product.add?x=1 HTTP/1.1"
    assert call.name == "catalog.product.add"
    assert json.loads(call.request.body) == SHIRT
    assert ("content-type", "application/json") in call.request.headers
    assert (call.status, call.error, call.request_id) == (200, "", "mine")
    assert call.answer.body == answer.text
    assert call.answer.size_bytes == len(answer.content)
    assert dict(call.answer.headers) == dict(answer.headers)
    assert call.seconds > 0
    assert not call.failed


async def test_of_a_body_that_no_call_may_have_only_the_size_is_kept(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packshot.emulator.recorder._KEPT_BYTES", 1_000)

    await client.post("catalog.product.add", files={"file": ("a.png", bytes(2_000))})

    (call,) = kept(recorder, folder)
    assert call.request.body == f"<{dict(call.request.headers)['content-type']}, {call.request.size_bytes} bytes>"
    assert call.request.size_bytes > 2_000


async def test_pictures_are_shortened_on_their_way_in_and_named_on_their_way_out(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path
) -> None:
    picture = png(200, 200)
    await client.post("catalog.product.add", json=SHIRT)
    added = await client.post(
        "catalog.productImage.add", json={"fields": {"productId": 1}, "fileContent": file_content(picture)}
    )
    await client.get(added.json()["result"]["productImage"]["downloadUrl"])

    _, upload, download = kept(recorder, folder)
    assert "characters)" in upload.request.body
    assert len(upload.request.body) < 200
    assert upload.request.size_bytes > len(picture)
    assert (download.name, download.answer.body) == ("download", f"<image/png, {len(picture)} bytes>")
    assert "token=***" in download.line


async def test_no_secret_of_a_call_is_kept(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path, seed: Seed
) -> None:
    secret = "s3cr3t" * 4
    await client.post("user.current", json={"auth": secret}, headers={"authorization": f"Bearer {secret}"})
    await client.post("batch", json={"cmd": {"a": f"user.current?auth={secret}"}})
    await client.get(f"http://shop.test/oauth/token/?client_secret={secret}&code={secret}&refresh_token={secret}")
    await client.post("http://shop.test/rest/user.current", data={"auth": secret, "access_token": secret})
    await client.get(f"http://shop.test/{seed.webhook_code}/{seed.webhook_code}")

    assert len(kept(recorder, folder)) == 5
    content = "".join(path.read_text("utf-8") for path in calls.files(folder) if path.exists())
    assert secret not in content
    assert seed.webhook_code not in content


@pytest.mark.parametrize(
    ("method", "params", "failed"),
    [
        ("catalog.product.get", {"id": 99}, True),
        ("no.such.method", {}, True),
        ("batch", {"cmd": {"a": "catalog.product.get?id=99"}}, True),
        ("batch", {"cmd": {"a": "catalog.catalog.list"}}, False),
    ],
)
async def test_a_call_has_failed_with_any_error_also_that_of_a_command(
    client: httpx.AsyncClient,
    recorder: Recorder,
    folder: Path,
    method: str,
    params: Any,
    failed: bool,  # noqa: FBT001 - one of two
) -> None:
    await client.post(method, json=params)

    assert [call.failed for call in kept(recorder, folder)] == [failed]


async def test_whoever_asks_for_readiness_has_all_calls_before_written_and_is_not_kept(
    client: httpx.AsyncClient, folder: Path
) -> None:
    await client.post("catalog.catalog.list")
    assert calls.read(folder) == []

    await client.get("http://shop.test/readyz")

    assert [call.name for call in calls.read(folder)] == ["catalog.catalog.list"]


async def test_calls_are_written_by_themselves_after_a_moment(client: httpx.AsyncClient, folder: Path) -> None:
    await client.post("catalog.catalog.list")

    async with asyncio.timeout(10):
        while not calls.read(folder):  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)


async def test_the_last_calls_are_kept_and_the_files_do_not_grow(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path
) -> None:
    seen = []
    for number in range(7 * COUNT):
        await client.get(f"catalog.product.get?id={number}")
        seen.append([call.line.split("=")[1] for call in kept(recorder, folder)])

    for number, found in enumerate(seen):
        wanted = [f"{one} HTTP/1.1" for one in range(number + 1)]
        assert found[-COUNT:] == wanted[-COUNT:]
        assert len(found) <= 3 * COUNT


async def test_more_calls_at_once_than_are_kept_leave_the_last_ones(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path
) -> None:
    for number in range(4 * COUNT):
        await client.get(f"catalog.product.get?id={number}")

    assert [call.line[-11:] for call in kept(recorder, folder)] == [f"{one} HTTP/1.1" for one in range(15, 20)]


def test_a_second_server_goes_on_where_the_first_one_ended(folder: Path) -> None:
    (folder / "calls.jsonl").write_bytes(b"{}\n" * (COUNT - 1))
    recorder = Recorder(folder, COUNT)

    recorder._make_room(1)  # noqa: SLF001 - as for a call
    assert not (folder / "calls.1.jsonl").exists()
    recorder._make_room(1)  # noqa: SLF001 - as for a call

    assert (folder / "calls.1.jsonl").read_bytes() == b"{}\n" * (COUNT - 1)


async def test_damaged_lines_are_left_out(client: httpx.AsyncClient, recorder: Recorder, folder: Path) -> None:
    await client.post("catalog.catalog.list")
    (call,) = kept(recorder, folder)
    path = folder / "calls.jsonl"
    path.write_bytes(b"\xff\n{}\n[]\n\n" + path.read_bytes() + path.read_bytes()[:40])

    assert calls.read(folder) == [call]


async def test_a_disk_that_takes_nothing_costs_no_answer(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "calls.jsonl").unlink()
    (folder / "calls.jsonl").mkdir()

    answer = await client.post("catalog.catalog.list")
    recorder.flush()

    assert answer.status_code == 200
    assert "calls could not be recorded" in capsys.readouterr().out


async def test_a_call_without_an_answer_is_kept_too(recorder: Recorder, folder: Path) -> None:
    async def broken(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()
        raise OSError

    async def receive() -> Any:
        return {"type": "http.request", "body": b'{"id":1}'}

    scope = {
        "path": "/rest/x", "headers": [], "query_string": b"", "method": "POST", "http_version": "1.1", "type": "http"
    }  # fmt: skip
    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        await recorded(broken, recorder)(scope, receive, None)

    (call,) = kept(recorder, folder)
    assert (call.line, call.status, call.request.body) == ("POST /rest/x HTTP/1.1", None, '{"id":1}')
    assert call.failed


def test_the_files_are_for_their_owner_only(recorder: Recorder, folder: Path) -> None:
    del recorder

    assert stat.S_IMODE((folder / "calls.jsonl").stat().st_mode) & 0o077 == 0


async def test_a_tail_gives_every_call_once_across_renamed_files(
    client: httpx.AsyncClient, recorder: Recorder, folder: Path
) -> None:
    coming = calls.tail(folder)
    seen: list[str] = []
    for number in range(6 * COUNT):
        await client.get(f"catalog.product.get?id={number}")
        recorder.flush()
        if number % 3 == 0:
            seen += [call.line for call in next(coming)]

    seen += [call.line for call in next(coming)] + [call.line for call in next(coming)]
    assert [line.split("id=")[1] for line in seen] == [f"{one} HTTP/1.1" for one in range(6 * COUNT)]
    coming.close()  # type: ignore[attr-defined]
