"""Rules of the house that no linter knows: what is documented, how large things are, which words are used."""

import ast
import re
from pathlib import Path

import msgspec
import pytest
import typer

from packshot import app
from packshot.cli import cli
from packshot.config import PREFIX, Settings
from packshot.observability import Metrics
from packshot.protocols.bitrix.methods import METHODS
from packshot.protocols.finerworks.call import Method, Upload
from packshot.protocols.finerworks.methods import METHODS as V3_METHODS
from packshot.protocols.finerworks.methods import OWN, UPLOADS

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")

LONGEST_MODULE = 350
LONGEST_FUNCTION = 60


def _settings() -> list[str]:
    sections = msgspec.structs.fields(Settings)
    return [f"{part.name}.{setting.name}" for part in sections for setting in msgspec.structs.fields(part.type)]


@pytest.mark.parametrize("name", _settings())
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    section, setting = name.split(".")
    default = getattr(getattr(Settings(), section), setting)
    shown = str(default).lower() if isinstance(default, bool) else {"": "", (): ""}.get(default, default)
    shown = int(shown) if isinstance(shown, float) else shown

    (row,) = [line for line in REFERENCE.splitlines() if line.startswith(f"| `{name}` |")]

    assert row.split("|")[2].strip(" `") == str(shown)


def test_every_command_and_option_is_documented() -> None:
    group = typer.main.get_command(cli)
    commands = {"serve", "init", "doctor", "webhook", "catalog", "account", "user", "app", "fault", "requests", "reset"}
    commands |= {"event", "keys", "image", "trash"}
    commands |= {"backup", "restore", "migrate", "move"}
    commands |= {"verify", "upkeep", "audit"}
    commands |= {"erase"}

    assert set(group.commands) == commands  # type: ignore[attr-defined]
    for name in commands:
        assert f"packshot {name}" in REFERENCE
    for parameter in group.commands["serve"].params:  # type: ignore[attr-defined]
        assert f"`{parameter.opts[0]}`" in REFERENCE
        assert f"`{parameter.envvar}`" in REFERENCE
        assert parameter.envvar.startswith(PREFIX)


def test_every_metric_is_documented() -> None:
    names = {sample.name for family in Metrics({}).registry.collect() for sample in family.samples}
    names |= set(re.findall(r'"(packshot_\w+)"', Path(app.__file__).read_text("utf-8")))

    undocumented = {name for name in names if not name.startswith("process_") and f"`{name}" not in REFERENCE}

    assert not undocumented


@pytest.mark.parametrize("name", [method.name for method in METHODS.values()])
def test_every_method_stands_in_the_protocols_readme(name: str) -> None:
    readme = (ROOT / "src/packshot/protocols/bitrix/README.md").read_text("utf-8")

    assert f"`{name}`" in readme


@pytest.mark.parametrize("method", V3_METHODS.values(), ids=lambda method: method.name)
def test_every_method_of_v3_stands_in_its_readme_with_its_verbs(method: Method) -> None:
    readme = (ROOT / "src/packshot/protocols/finerworks/README.md").read_text("utf-8")

    assert f"| `{method.name}` | {', '.join(method.verbs)} |" in readme


@pytest.mark.parametrize("method", [*OWN.values(), *UPLOADS.values()], ids=lambda method: method.name)
def test_every_method_of_our_own_stands_there_with_its_address_and_verbs(method: Method | Upload) -> None:
    readme = (ROOT / "src/packshot/protocols/finerworks/README.md").read_text("utf-8")

    row = rf"^\| `/packshot/v3/{method.name}(/[A-Z]+)?` \| {', '.join(method.verbs)} \|"
    assert re.search(row, readme, re.MULTILINE)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert text.count("\n") <= LONGEST_MODULE
    assert not [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= LONGEST_FUNCTION]


REQUESTS = {
    "a call": ["protocols/bitrix/README.md", "protocols/bitrix/images.py", "services/images.py", "domain/images.py"],
    "a rendition": [
        "delivery/DESIGN.md",
        "delivery/door.py",
        "delivery/renditions.py",
        "services/renditions.py",
        "services/contents.py",
        "delivery/sending.py",
    ],
    "a public original": [
        "delivery/DESIGN.md",
        "delivery/door.py",
        "delivery/originals.py",
        "services/renditions.py",
        "services/contents.py",
        "delivery/sending.py",
        "delivery/ranges.py",
    ],
}


@pytest.mark.parametrize("path", REQUESTS.values(), ids=REQUESTS)
def test_one_request_can_be_read_in_under_nine_hundred_lines(path: list[str]) -> None:
    read = [ROOT / "docs/glossary.md", *(ROOT / "src/packshot" / name for name in ["front.py", *path])]

    assert sum(document.read_text("utf-8").count("\n") for document in read) < 900


def _anchors(document: Path) -> set[str]:
    """What a link may have behind its `#`, made from the headings as forges make it."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _leads_somewhere(document: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    there = document.parent / path if path else document
    return there.exists() and (not anchor or anchor in _anchors(there))


def test_links_in_the_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(one for top in ("docs", "src", "deploy") for one in (ROOT / top).rglob("*.md"))]

    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^):]+)\)", document.read_text("utf-8"))
        if not _leads_somewhere(document, target)
    ]

    assert not broken


def test_no_lock_file_names_an_address() -> None:
    for path in (ROOT / "requirements").iterdir():
        assert "://" not in path.read_text("utf-8"), path.name
