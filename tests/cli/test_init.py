"""`packshot init`: a store for scripts, without serving."""

import json
import stat
from pathlib import Path
from uuid import UUID

import pytest

from forking import run
from packshot.cli.printed import welcome_back
from serving import init, serving


def test_json_holds_what_a_script_needs(tmp_path: Path) -> None:
    done = run("init", "--data", tmp_path / "data", "--json")

    facts = json.loads(done.stdout)
    code = facts["webhook_code"]
    assert done.returncode == 0
    assert done.stderr == ""
    assert facts == {
        "base_url": "http://127.0.0.1:8080",
        "user_id": 1,
        "webhook_code": code,
        "webhook_url": f"http://127.0.0.1:8080/rest/1/{code}/",
        **{name: str(UUID(facts[name])) for name in ("web_api_key", "app_key", "account_key")},
    }
    assert len(code) == 32
    assert code.isalnum()
    assert code == code.lower()


def test_with_the_sample_catalogue_json_names_a_product_and_nothing_else_is_on_standard_output(tmp_path: Path) -> None:
    done = run("init", "--data", tmp_path / "data", "--json", "--demo")

    facts = json.loads(done.stdout)
    assert done.returncode == 0
    keys = {"web_api_key", "app_key", "account_key"}
    assert set(facts) == {"base_url", "user_id", "webhook_code", "webhook_url", "product_id", *keys}
    assert facts["product_id"] == 1


def test_host_and_port_go_into_the_address(tmp_path: Path) -> None:
    facts = init(tmp_path / "data", "--host", "::1", "--port", "81")

    assert facts["base_url"] == "http://[::1]:81"


def test_without_json_it_is_two_lines_for_people(tmp_path: Path) -> None:
    done = run("init", "--data", tmp_path / "data")

    first, second = done.stdout.splitlines()
    assert first == f"Made a store in {tmp_path / 'data'}."
    assert second.startswith("Webhook address: http://127.0.0.1:8080/rest/1/")


def test_every_option_may_come_from_the_environment(tmp_path: Path) -> None:
    environment = {"PACKSHOT_DATA": str(tmp_path / "elsewhere"), "PACKSHOT_HOST": "localhost", "PACKSHOT_PORT": "81"}

    done = run("init", "--json", environment=environment)

    assert json.loads(done.stdout)["base_url"] == "http://localhost:81"
    assert (tmp_path / "elsewhere" / "packshot.sqlite3").exists()


def test_a_public_address_stands_above_host_and_port(tmp_path: Path) -> None:
    environment = {"PACKSHOT_SERVER_PUBLIC_URL": "https://pictures.example"}

    done = run("init", "--data", tmp_path / "data", "--json", environment=environment)

    assert json.loads(done.stdout)["webhook_url"].startswith("https://pictures.example/rest/1/")


def test_without_the_usual_account_a_later_start_names_another_one() -> None:
    printed = welcome_back("https://pictures.example", Path("data"), 3, "my shop")

    assert "https://pictures.example/rest/3/<code>/" in printed
    assert "webhook create --data data --account 'my shop'\n" in printed
    assert "keys create --data data --account 'my shop'\n" in printed


def test_what_init_made_is_what_serve_serves(tmp_path: Path) -> None:
    facts = init(tmp_path / "data")

    with serving(tmp_path / "data", facts=facts) as server:
        printed = server.printed()

    assert "/rest/1/<code>/" in printed
    assert f"For a new one: packshot webhook create --data {tmp_path / 'data'}" in printed
    assert facts["webhook_code"] not in printed


@pytest.mark.parametrize("name", ["secret.key", "packshot.sqlite3"])
def test_the_folder_and_its_secrets_are_for_their_owner_only(tmp_path: Path, name: str) -> None:
    init(tmp_path / "data")

    folder = stat.S_IMODE((tmp_path / "data").stat().st_mode)
    file = stat.S_IMODE((tmp_path / "data" / name).stat().st_mode)
    assert folder & 0o077 == 0
    assert file & folder & 0o077 == 0


def test_the_webhook_code_is_nowhere_in_the_folder(tmp_path: Path) -> None:
    code = init(tmp_path / "data")["webhook_code"].encode()

    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if code in path.read_bytes()]
