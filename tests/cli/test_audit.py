"""`packshot audit` beside a running server: who did what to which image, in a line each."""

import json
import re
from pathlib import Path

import httpx
import pytest

from forking import run
from pictures import png
from serving import serving

GUIDS = [f"00000000-0000-4000-8000-{number:012}" for number in range(3)]
DAY = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def audit(folder: Path, *words: str) -> list[str]:
    done = run("audit", *words, "--data", folder)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.fixture
def used(folder: Path) -> Path:
    """A store in which one request added each of three images, another changed one and a third deleted one."""
    with serving(folder) as server:
        pair = json.loads(run("keys", "create", "--json", "--data", folder).stdout)
        keys = {name: pair[name] for name in ("web_api_key", "app_key")}
        with httpx.Client(base_url=server.base_url, headers=keys) as client:
            for number, guid in enumerate(GUIDS):
                client.put(f"/packshot/v3/images/{guid}?file_name={number}.png", content=png(2 + number, 2))
            client.put("/v3/update_images", json={"images": [{"guid": GUIDS[1], "title": "Dunes"}]})
            answer = client.request("DELETE", "/v3/delete_images", json={"guids": [GUIDS[0]]})
            assert answer.status_code == 200, answer.text
    run("trash", "restore", "1", "--data", folder)
    return folder


def test_every_line_says_when_what_which_how_and_by_whom(used: Path) -> None:
    lines = audit(used)

    by, owner = r"pair of keys \d+, [0-9A-Za-z-]+", r"the command line, command [0-9a-f]{16}"
    whole = [
        rf"6 {DAY} restored image 1 {GUIDS[0]} 0\.png: packshot trash restore, {owner}",
        rf"5 {DAY} deleted image 1 {GUIDS[0]} 0\.png: delete_images, {by}",
        rf"4 {DAY} changed \(title\) image 2 {GUIDS[1]} 1\.png: update_images, {by}",
        *(rf"{n + 1} {DAY} added image {n + 1} {GUIDS[n]} {n}\.png: images, {by}" for n in (2, 1, 0)),
    ]
    assert len(lines) == len(whole)
    for line, pattern in zip(lines, whole, strict=True):
        assert re.fullmatch(pattern, line), line


def test_the_pair_of_keys_is_the_one_that_the_list_of_them_shows(used: Path) -> None:
    listed = run("keys", "list", "--data", used).stdout.splitlines()

    (number,) = {json.loads(line)["who"].removeprefix("pair of keys ") for line in audit(used, "--json")[1:]}

    assert listed[-1].startswith(f"{number} live")


def test_lines_can_be_chosen(used: Path) -> None:
    def numbers(*words: str) -> list[int]:
        return [json.loads(line)["id"] for line in audit(used, *words, "--json")]

    last = json.loads(audit(used, "--json", "--limit", "1")[0])

    assert numbers("--image", "1") == numbers("--image", GUIDS[0].upper()) == [6, 5, 1]
    assert numbers("--request", last["request_id"]) == numbers("--by", "COMMAND") == [6]
    assert numbers("--before", "5", "--limit", "2") == [4, 3]
    assert numbers("--since", last["at"][:10]) == numbers("--since", "2020-01-01T00:00:00+02:00") == [6, 5, 4, 3, 2, 1]
    assert numbers("--since", "2100-01-01") == numbers("--image", "99") == numbers("--image", "nobody's") == []


def test_an_object_says_everything(used: Path) -> None:
    (line,) = audit(used, "--json", "--image", "2", "--limit", "1")

    entry = json.loads(line)
    assert re.fullmatch(DAY, entry.pop("at"))
    assert entry.pop("request_id")
    assert entry.pop("who").startswith("pair of keys ")
    assert entry == {
        "id": 4, "action": "changed", "method": "update_images", "image_id": 2, "guid": GUIDS[1], "name": "1.png",
        "product_id": None, "details": {"fields": ["title"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--since", "yesterday"), "packshot: --since takes a day like 2026-07-31"),
        (("--account", "nobody"), "packshot: there is no account nobody"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(folder: Path, words: tuple[str, str], why: str) -> None:
    done = run("audit", *words, "--data", folder)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(why)


def test_a_reset_begins_the_log_anew_with_what_it_makes(used: Path) -> None:
    assert run("reset", "--demo", "--yes", "--data", used).returncode == 0

    entries = [json.loads(line) for line in audit(used, "--json", "--limit", "1000")]

    assert {(entry["action"], entry["method"], entry["who"]) for entry in entries} == {
        ("added", "packshot reset", "the command line")
    }
    assert min(entry["id"] for entry in entries) == 7
    assert {entry["guid"] for entry in entries}.isdisjoint(GUIDS)
