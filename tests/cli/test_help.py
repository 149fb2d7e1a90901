"""A person's first look: what the help of each command says."""

import re

import pytest

from forking import run

SERVE = {
    "--data FOLDER": "PACKSHOT_DATA",
    "--host HOST": "PACKSHOT_HOST",
    "--port PORT": "PACKSHOT_PORT",
    "--demo": "PACKSHOT_DEMO",
    "--seed FILE": "PACKSHOT_SEED",
    "--record": "PACKSHOT_RECORD",
    "--tls-dev": "PACKSHOT_TLS_DEV",
    "--config FILE": "PACKSHOT_CONFIG",
}


def help_of(*command: str) -> str:
    """The help as one line, whatever the width it was wrapped to."""
    done = run(*command, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    return " ".join(done.stdout.split())


def options_in(text: str) -> dict[str, str]:
    """Each option with what stands behind it."""
    parts = re.split(r"(?<!-h,) (?=-h,|--[a-z])", text.partition("Options: ")[2])
    found = (re.match(r"((?:-h, )?--\S+(?: [A-Z]+(?= ))?) (.*)", part) for part in parts)
    return {match[1]: match[2] for match in found if match}


def test_the_first_page_says_what_it_is_which_commands_there_are_and_how_to_start() -> None:
    text = help_of()

    assert "A self-hosted store of product pictures that existing Bitrix24 clients can talk to." in text
    assert "serve Run the server; an empty data folder is filled first." in text
    assert "init Fill an empty data folder without serving." in text
    assert "doctor Check settings, database, pictures and formats." in text
    assert "webhook Inbound webhooks: the addresses that clients call with." in text
    assert "Start with: packshot serve --demo" in text


@pytest.mark.parametrize(
    "group", ["", "account", "app", "catalog", "event", "event hook", "fault", "keys", "user", "webhook"]
)
def test_no_command_is_described_with_a_sentence_cut_off(group: str) -> None:
    assert "..." not in help_of(*group.split()).partition("Commands: ")[2]


def test_the_command_alone_shows_the_first_page() -> None:
    done = run()

    assert "Start with: packshot serve --demo" in done.stdout + done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_asked_for_in_both_ways(option: str) -> None:
    assert "packshot serve [OPTIONS]" in run("serve", option).stdout


def test_the_version_is_one_line() -> None:
    done = run("--version")

    assert re.fullmatch(r"packshot \d+\.\d+\.\d+\S*\n", done.stdout)
    assert done.returncode == 0


def test_every_option_of_serve_is_described_with_its_variable() -> None:
    options = options_in(help_of("serve"))

    assert {name for name in options if not name.startswith("-h")} == set(SERVE)
    assert all(f"[env var: {variable}" in options[name] for name, variable in SERVE.items())
    assert all(re.match(r"[A-Z].*\. +\[env var", options[name]) for name in SERVE)


def test_serve_says_what_it_makes_how_it_stops_and_its_defaults() -> None:
    text = help_of("serve")

    assert "Run the server; on an empty data folder everything it needs is made first." in text
    assert "Ctrl-C stops it once the running requests are answered, after ten seconds at most." in text
    assert "default: data]" in text
    assert "default: 127.0.0.1]" in text
    assert "default: 8080;" in text


def test_init_has_the_options_of_serve_that_concern_the_store_and_json() -> None:
    options = options_in(help_of("init"))

    assert {name for name in options if not name.startswith("-h")} == set(SERVE) - {"--tls-dev", "--record"} | {
        "--json"
    }
    assert all(f"[env var: {SERVE[name]}" in options[name] for name in set(SERVE) - {"--tls-dev", "--record"})
    assert options["--json"] == "Print one JSON object, for scripts."


def test_init_says_what_host_and_port_are_good_for() -> None:
    assert "HOST and PORT only tell it which address to print." in help_of("init")


def test_doctor_says_that_it_only_reads() -> None:
    text = help_of("doctor")

    assert "Check settings, database, pictures and formats; exit code 1 if something is wrong." in text
    assert "It changes no picture and no product, and may be run beside a serving packshot" in text
    assert set(options_in(text)) == {"--data FOLDER", "--url URL", "--config FILE", "-h, --help"}


def test_creating_a_webhook_is_described_with_all_its_options() -> None:
    text = help_of("webhook", "create")
    options = options_in(text)

    assert "Make a webhook and print its path, which is shown this once. A running server knows it at once." in text
    assert set(options) == {
        "--data FOLDER", "--account NAME", "--user ID", "--scopes LIST", "--title TEXT", "--expires-in SECONDS",
        "--config FILE", "-h, --help",
    }  # fmt: skip
    assert "[default: catalog,user]" in options["--scopes LIST"]


@pytest.mark.parametrize("wrong", [["bake"], ["serve", "--bake"], ["serve", "--port", "http"], ["webhook", "bake"]])
def test_wrong_usage_is_exit_code_2_with_a_way_out_and_no_traceback(wrong: list[str]) -> None:
    done = run(*wrong)

    assert done.returncode == 2
    assert "-h' for help." in done.stderr
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr
