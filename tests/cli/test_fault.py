"""`packshot fault`: rules come and go by command."""

from pathlib import Path

from forking import run
from serving import new_store


def fault(folder: Path, *arguments: str) -> str:
    """What the command prints."""
    done = run("fault", *arguments, "--data", folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_rules_are_added_listed_and_cleared(tmp_path: Path) -> None:
    new_store(tmp_path / "data")

    as_one_text = fault(tmp_path / "data", "add", "503 every 3")
    as_words = fault(tmp_path / "data", "add", "Slow", "2", "on", "A.b")
    listed = fault(tmp_path / "data", "list")
    cleared = fault(tmp_path / "data", "clear")

    assert listed == "503 every 3\nslow 2 on a.b\n"
    assert as_one_text == as_words == cleared == ""
    assert fault(tmp_path / "data", "list") == ""


def test_what_is_no_rule_is_refused_in_one_line(tmp_path: Path) -> None:
    new_store(tmp_path / "data")

    done = run("fault", "add", "sometimes", "--data", tmp_path / "data")

    assert done.returncode == 2
    assert done.stderr == (
        "packshot: 'sometimes' is no fault rule: a rule is `slow SECONDS`, a status like `503` or `drop after commit`, "
        "then perhaps `every N` and `on METHOD`\n"
    )


def test_without_a_store_there_is_nothing_to_add_rules_to(tmp_path: Path) -> None:
    done = run("fault", "add", "503", "--data", tmp_path / "data")

    assert done.returncode == 2
    assert "there is no store" in done.stderr
