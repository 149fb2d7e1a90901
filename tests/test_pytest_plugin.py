"""The pytest plugin as its users have it: nearly every test here is a whole pytest run of its own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SEED = """
[[products]]
key = "mug"
name = "Harbour mug"
"""

CALLS = """
import httpx
import pytest

def call(server, method, params=None):
    answer = httpx.post(server.webhook_url + method, json=params or {}, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]

def add(server, name):
    fields = {"iblockId": server.catalog_id, "name": name}
    return call(server, "catalog.product.add", {"fields": fields})["element"]["id"]
"""


class Run:
    """A pytest run over tests of somebody else, with nothing set but what a test sets."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester

    def __call__(self, tests: str, *options: str) -> pytest.RunResult:
        self._pytester.makepyfile(test_shop=CALLS + textwrap.dedent(tests))
        # The plugin is named and not found by its entry point: so this works in any checkout.
        left_out = ("packshot", "cacheprovider", "randomly", "asyncio")
        plugins = [part for name in left_out for part in ("-p", f"no:{name}")]
        return self._pytester.runpytest_subprocess(*plugins, "-p", "packshot.pytest_plugin", "-W", "error", *options)

    def write(self, name: str, text: str) -> None:
        (self._pytester.path / name).write_text(text, "utf-8")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    return Run(pytester)


def test_one_fixture_keeps_the_store_the_other_begins_anew_and_tests_may_reset_it_themselves(
    run: Run,
) -> None:
    tests = """
    import asyncio

    @pytest.mark.parametrize("number", [1, 2])
    def test_kept(packshot_server, number):
        assert add(packshot_server, "Shirt") == number

    @pytest.mark.parametrize("round", [1, 2])
    def test_anew(packshot, round):
        assert add(packshot, "Shirt") == 1
        assert call(packshot, "catalog.catalog.list")["catalogs"][1]["id"] == packshot.variations_id == 2

    def test_within_a_coroutine(packshot):
        async def use():
            first = add(packshot, "Shirt")
            before = packshot.requests()
            packshot.reset()
            return first, before, add(packshot, "Mug"), packshot.requests()

        first, (before,), second, (after,) = asyncio.run(use())

        assert first == second == 1
        assert (before["name"], before["status"]) == ("catalog.product.add", 200)
        assert '"name":"Shirt"' in before["request"]["body"]
        assert '"name":"Mug"' in after["request"]["body"]
        assert packshot.code not in str([before, after])
    """

    run(tests).assert_outcomes(passed=5)


def test_a_seed_file_fills_it_before_each_test_and_gives_the_ids(run: Run) -> None:
    run.write("shop.toml", SEED)
    run.write("pytest.ini", "[pytest]\npackshot_seed = shop.toml\n")
    tests = """
    @pytest.mark.parametrize("round", [1, 2])
    def test_seeded(packshot, round):
        assert packshot.ids["mug"] == 1
        assert call(packshot, "catalog.product.get", {"id": 1})["product"]["name"] == "Harbour mug"
        call(packshot, "catalog.product.delete", {"id": 1})
    """

    run(tests).assert_outcomes(passed=2)


def test_the_samples_fill_it_before_each_test(run: Run) -> None:
    run.write("pytest.ini", "[pytest]\npackshot_demo = true\n")
    tests = """
    @pytest.mark.parametrize("round", [1, 2])
    def test_samples(packshot, round):
        image = call(packshot, "catalog.productImage.get", {"productId": 1, "id": 1})["productImage"]
        assert image["name"] == "test.jpeg"
        call(packshot, "catalog.product.delete", {"id": 1})
    """

    run(tests).assert_outcomes(passed=2)


def test_over_https_it_says_whom_to_trust(run: Run) -> None:
    tests = """
    import ssl

    def test_https(packshot):
        assert packshot.base_url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=packshot.environment["SSL_CERT_FILE"])
        assert packshot.authority.read_text() == open_text(packshot.environment["REQUESTS_CA_BUNDLE"])
        assert httpx.get(packshot.base_url + "/upload/none", verify=trusting).status_code == 404
        assert [call["status"] for call in packshot.requests()] == [404]
        with pytest.raises(httpx.ConnectError):
            httpx.get(packshot.base_url)

    def open_text(path):
        with open(path) as file:
            return file.read()
    """

    run(tests, "--packshot-tls").assert_outcomes(passed=1)


def test_every_worker_has_a_server_of_its_own_filled_as_the_option_says(run: Run) -> None:
    run.write("shop.toml", SEED)
    tests = """
    @pytest.mark.parametrize("number", range(8))
    def test_alone(packshot, number):
        assert [packshot.ids["mug"], *(add(packshot, name) for name in "abc")] == [1, 2, 3, 4]
    """

    run(tests, "--numprocesses", "2", "--packshot-seed", "shop.toml").assert_outcomes(passed=8)


def test_the_server_has_ended_cleanly_after_the_run_and_heeds_the_shell_only_where_it_should(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_DEMO", "1")
    monkeypatch.setenv("PACKSHOT_SERVER_PUBLIC_URL", "https://pictures.example")
    monkeypatch.setenv("PACKSHOT_BITRIX_ERROR_CODES", "string")
    tests = f"""
    from pathlib import Path

    def test_it(packshot):
        pid = (packshot.data / "lock").read_text().strip()
        Path({str(tmp_path / "facts")!r}).write_text(f"{{pid}} {{packshot.data}}")
        assert packshot.base_url.startswith("http://127.0.0.1:")
        answer = httpx.post(packshot.webhook_url + "catalog.product.get", json={{"id": 1}})
        assert answer.json()["error"] == "0"
    """

    result = run(tests)

    result.assert_outcomes(passed=1)
    pid, data = (tmp_path / "facts").read_text().split()
    assert not Path(f"/proc/{pid}").exists()
    assert not (Path(data) / "lock").exists() or (Path(data) / "lock").read_bytes() == b""


def test_a_mistake_in_the_seed_file_is_told_with_its_place(run: Run) -> None:
    run.write("shop.toml", SEED.replace("name", "names"))

    result = run("def test_it(packshot): pass", "--packshot-seed", "shop.toml")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*product 1 (mug): there is no field names: do you mean name?*"])


def test_a_server_that_does_not_start_is_told_with_what_it_printed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKSHOT_LOG_LEVEL", "loud")

    result = run("def test_it(packshot): pass")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the Packshot server did not start:*", "*log.level*"])


def test_runs_that_do_not_ask_for_a_server_load_nothing_for_it(tmp_path: Path) -> None:
    lines = (
        "import sys, pytest; pytest.main(['--collect-only']); before = set(sys.modules)\n"
        "import packshot.pytest_plugin; print(*sorted(set(sys.modules) - before))"
    )
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}

    done = subprocess.run(
        [sys.executable, "-c", lines], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )

    assert done.stdout.splitlines()[-1] == "packshot packshot.pytest_plugin"
