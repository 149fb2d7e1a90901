"""What a command says with its exit code to whoever starts it again."""

from pathlib import Path

import pytest

from bucket import free_port
from forking import run
from packshot.cli.common import EXIT_TRY_AGAIN, EXIT_USAGE


@pytest.mark.parametrize("command", ["serve", "init"])
def test_a_database_that_does_not_answer_is_worth_another_try_and_a_wrong_address_is_not(
    tmp_path: Path, command: str
) -> None:
    def code(url: str) -> int:
        words = (command, "--data", tmp_path / "data", "--port", "0")
        return run(*words, environment={"PACKSHOT_DATABASE_URL": url}).returncode

    away, wrong = code(f"postgresql://packshot@127.0.0.1:{free_port()}/shop"), code("postgresql://host:port/shop")

    assert (away, wrong) == (EXIT_TRY_AGAIN, EXIT_USAGE)
