"""`packshot catalog`: what it makes is there for a running server at once."""

from pathlib import Path

import httpx
import pytest

from forking import run
from serving import serving

NO_CATALOG = "there is no catalog 9: `packshot catalog list` shows what there is"


def catalog(folder: Path, *words: str) -> str:
    """What the command prints."""
    done = run("catalog", *words, "--data", folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_catalogs_sections_and_properties_made_beside_a_running_server_are_there_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as server:
        books = catalog(tmp_path / "data", "add", "Books").strip()
        editions = catalog(tmp_path / "data", "add", "Editions", "--variations-of", books).strip()
        shelf = catalog(tmp_path / "data", "section", "Shelf", "--catalog", books, "--code", "shelf").strip()
        board = catalog(tmp_path / "data", "section", "Board", "--catalog", books, "--parent", shelf).strip()
        pages = catalog(tmp_path / "data", "property", "Pages", "--catalog", books, "--type", "N").strip()
        tags = catalog(
            tmp_path / "data", "property", "метки", "--catalog", books, "--code", "TAGS", "--multiple"
        ).strip()
        listed = catalog(tmp_path / "data", "list")

        def ask(method: str, wanted: str) -> dict[str, object]:
            answer = httpx.get(f"{server.webhook_url}{method}.get", params={"id": wanted}).json()
            (found,) = answer["result"].values()
            return dict(found)

        assert ask("catalog.catalog", editions)["productIblockId"] == int(books)
        assert ask("catalog.section", board)["iblockSectionId"] == int(shelf)
        assert ask("catalog.section", shelf)["code"] == "shelf"
        shown = ask("catalog.productProperty", pages)
        assert (shown["code"], shown["propertyType"], shown["multiple"]) == ("PAGES", "N", "N")
        shown = ask("catalog.productProperty", tags)
        assert (shown["code"], shown["propertyType"], shown["multiple"]) == ("TAGS", "S", "Y")
    assert listed.splitlines() == [
        "1  Products", "2  Variations  (variations of 1)", "3  Books", "4  Editions  (variations of 3)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("add", ""), "The name is required"),
        (("add", "X", "--variations-of", "9"), NO_CATALOG),
        (("section", "X", "--catalog", "9"), NO_CATALOG),
        (("property", "цвет", "--catalog", "1"), "No code can be made from the name 'цвет': give one"),
        (("list", "--account", "nobody"), "there is no account nobody: `packshot account list` shows what there is"),
    ],
)
def test_a_refusal_is_one_line_and_exit_code_2(words: tuple[str, ...], sentence: str, folder: Path) -> None:
    done = run("catalog", *words, "--data", folder)

    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"packshot: {sentence}\n")
