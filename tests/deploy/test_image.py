"""deploy/Dockerfile: read, since there is nobody to build it; its health check is run."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from bucket import free_port
from deployed import DEPLOY, OPTIONS, ROOT, image_environment, instructions, settings_names
from serving import serving


def _words(name: str) -> list[list[str]]:
    return [text.split() for instruction, text in instructions() if instruction == name]


def test_every_variable_of_ours_in_the_folder_is_a_setting_or_an_option() -> None:
    files = [file for file in DEPLOY.rglob("*") if file.is_file() and "secrets" not in file.parts]
    named = {name for file in files for name in re.findall(r"\bPACKSHOT_[A-Z_]+\b", file.read_text("utf-8"))}

    assert named
    assert named <= OPTIONS | settings_names()


def test_what_is_copied_is_there_and_let_through() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    sources = [word for words in _words("COPY") if not words[0].startswith("--") for word in words[:-1]]

    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert f"!{source}" in ignored
    kept = (line[1:] for line in ignored if line.startswith("!"))
    assert set(kept) == set(sources)


def test_both_stages_have_one_base_with_a_version_that_is_tested() -> None:
    bases = {words[0] for words in _words("FROM")}

    assert bases == {"python:3.11-slim-bookworm"}
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_dependencies_are_those_of_the_lock_file_by_their_hashes() -> None:
    steps = [step for instruction, text in instructions() if instruction == "RUN" for step in text.split("&&")]
    installs = [step for step in steps if " install " in step and "pip" in step]

    assert installs
    assert all("--require-hashes" in step or "--no-deps --no-index" in step for step in installs)


def test_the_last_stage_is_nobody_and_serves_by_itself() -> None:
    last = instructions()[[name for name, _ in instructions()].index("FROM", 1) :]
    done = dict(last)

    assert "RUN" not in done
    assert done["USER"] == "10001:10001"
    assert (done["ENTRYPOINT"], done["CMD"]) == ('["packshot"]', '["serve"]')
    assert done["VOLUME"] == image_environment()["PACKSHOT_DATA"]
    assert done["EXPOSE"] == image_environment()["PACKSHOT_PORT"]


def test_its_health_check_tells_a_server_from_none(tmp_path: Path) -> None:
    text = dict(instructions())["HEALTHCHECK"]
    python, *rest = json.loads(text.partition("CMD ")[2])
    assert python == "python"

    def check(port: object) -> int:
        command = [sys.executable, *(word.replace(":8080/", f":{port}/") for word in rest)]
        return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode

    with serving(tmp_path / "data") as server:
        healthy = check(urlsplit(server.base_url).port)

    assert (healthy, check(free_port())) == (0, 1)
