"""Every command works on a store in PostgreSQL and a bucket, beside a server of it and from another data folder."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.main import get_command

import bucket
import postgres
from build import file_content
from forking import run
from packshot.cli import cli
from pictures import png
from serving import serving

COMMANDS = [
    ("init", "", "holds a store already"),
    ("migrate", "", "Nothing to do."),
    ("migrate --dry-run", "", "Nothing to do."),
    ("doctor", "", "ok    servers seen within a minute: "),
    ("verify --full", "", "ok    database: consistent"),
    ("upkeep --scrub", "", "doomed: 0"),
    ("requests", "", "no calls were recorded"),
    ("account create second", "", "/rest/"),
    ("account list", "", "second"),
    ("account state second blocked", "", ""),
    ("account quota second 5000000", "", ""),
    ("webhook create", "", "/rest/1/"),
    ("webhook list", "", "catalog"),
    ("webhook revoke 3", "", ""),
    ("keys create", "", "web_api_key"),
    ("keys list", "", "account_key"),
    ("keys revoke 1", "", ""),
    ("user add anna --role editor", "", "user "),
    ("user passwd anna --stdin", "a long password for anna\n", ""),
    ("user disable anna", "", ""),
    ("user enable anna", "", ""),
    ("user list", "", "anna"),
    ("app create Prices --redirect-uri https://app.example/callback", "", "client_secret"),
    ("app list", "", "Prices"),
    ("app users $client 1", "", ""),
    ("app delete $client", "", ""),
    ("catalog add More", "", ""),
    ("catalog list", "", "More"),
    ("catalog section Shirts --catalog 1", "", ""),
    ("catalog property Colour --catalog 1", "", ""),
    ("fault add 503 on catalog.product.never", "", ""),
    ("fault list", "", "503"),
    ("fault clear", "", ""),
    ("image show $image", "", "guid"),
    ("image focus $image 0.5 0.5", "", ""),
    ("image privacy $image keep", "", ""),
    ("image link $image thumbnail", "", "/thumbnail/"),
    ("event hook add http://127.0.0.1:9/told --event CATALOG.PRODUCT.ON.ADD", "", "HMAC secret"),
    ("event hook list", "", "127.0.0.1:9"),
    ("event pending", "", ""),
    ("event retry 1", "", "there is no event 1"),
    ("event hook delete 1", "", "is deleted"),
    ("trash list", "", "1 thing"),
    ("trash show 1", "", "image"),
    ("trash restore 1", "", ""),
    ("audit", "", "restored"),
    ("backup $backups", "", "Snapshot "),
    ("erase image $image --yes", "", "erased"),
    ("erase account second --yes", "", "erased"),
    ("reset --yes", "", "two empty catalogs"),
]
ELSEWHERE = {"serve", "image attach", "trash purge", "restore", "move"}
"""The first is served here all the time; the others have tests of their own."""

REFUSED = {"init", "requests", "event retry 1"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    key = tmp_path_factory.mktemp("keys") / "store.key"
    return {
        "PACKSHOT_DATABASE_URL": postgres.new(),
        "PACKSHOT_BLOBS_URL": bucket.new(),
        "PACKSHOT_KEYS_FILE": str(key),
        "PACKSHOT_OUTBOUND_ALLOW_PRIVATE": "true",
    }


def test_every_command_is_tested() -> None:
    def names(command: Any, path: str = "") -> Iterator[str]:
        parts = getattr(command, "commands", {})
        for name, part in parts.items():
            yield from names(part, f"{path} {name}".strip())
        if not parts:
            yield path

    tested = {name for name in names(get_command(cli)) if any(words.startswith(name) for words, _, _ in COMMANDS)}

    assert set(names(get_command(cli))) - tested == ELSEWHERE


def test_every_command_works_beside_a_server_of_the_store(tmp_path: Path, environment: dict[str, str]) -> None:
    known = {"backups": str(tmp_path / "backups")}

    facts = json.loads(run("init", "--json", "--data", tmp_path / "data", environment=environment).stdout)
    with serving(tmp_path / "data", environment=environment, facts=facts) as server:

        def call(method: str, **params: Any) -> Any:
            answer = httpx.post(f"{server.webhook_url}{method}", json=params, timeout=30)
            assert answer.status_code == 200, answer.text
            return answer.json()["result"]

        product_id = call("catalog.product.add", fields={"iblockId": 1, "name": "Shirt"})["element"]["id"]
        fields, content = {"productId": product_id}, file_content(png())
        images = [
            call("catalog.productImage.add", fields=fields, fileContent=content)["productImage"]["id"] for _ in "ab"
        ]
        call("catalog.productImage.delete", productId=product_id, id=images[1])
        known["image"], wrong = str(images[0]), list[str]()
        for words, typed, expected in COMMANDS:
            named = [known[word[1:]] if word.startswith("$") else word for word in words.split()]
            done = run(*named, "--data", tmp_path / "commands", environment=environment, typed=typed)
            if done.returncode != (2 if words in REFUSED else 0) or expected not in done.stdout + done.stderr:
                wrong.append(f"{words}: {done.returncode} {done.stdout}{done.stderr}")
            if found := re.search(r"client_id: (\S+)", done.stdout):
                known["client"] = found[1]

    assert not wrong, "\n".join(wrong)


def test_a_database_without_a_store_is_left_as_it_is(tmp_path: Path) -> None:
    url = postgres.new()

    done = run("webhook", "list", "--data", tmp_path / "data", environment={"PACKSHOT_DATABASE_URL": url})

    assert done.returncode == 2
    assert f"there is no store in the database {url.rpartition('@')[2]}: make one with `packshot init`" in done.stderr
    assert not (tmp_path / "data").exists()
    assert (
        postgres.shared().run(url.rpartition("/")[2], "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        == "0"
    )


def test_after_an_erasure_all_tables_are_vacuumed(tmp_path: Path) -> None:
    url = postgres.new()
    environment = {"PACKSHOT_DATABASE_URL": url}
    run("init", "--data", tmp_path / "data", environment=environment)
    run("account", "create", "second", "--data", tmp_path / "data", environment=environment)

    done = run("erase", "account", "second", "--yes", "--data", tmp_path / "data", environment=environment)

    asked = "SELECT bool_and(last_vacuum IS NOT NULL), count(*) > 30 FROM pg_stat_user_tables"
    assert done.returncode == 0, done.stderr
    assert postgres.shared().run(url.rpartition("/")[2], asked) == "t|t"
