"""Every work in the source keeps its contract: it awaits nothing but its transaction and catches nothing.

The writer refuses what suspends, but an uncontended lock or an async generator does not suspend on SQLite
and would on another database: so this looks at the source instead.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import packshot

SOURCES = sorted(Path(packshot.__file__).parent.rglob("*.py"))
HANDLES = {"tx", "reads"}
"""What a transaction is called where a function takes one; `reads` may also be the database itself."""

Function = ast.AsyncFunctionDef | ast.FunctionDef | ast.Lambda


def faults(source: str) -> list[str]:
    """What is wrong with the works in a module, as sentences with line numbers."""
    tree = ast.parse(source)
    found = [f"{call.lineno}: cannot tell which work this is" for call, work in works(tree) if work is None]
    return [*found, *(fault for function in functions(tree) for fault in faults_of(function))]


def works(tree: ast.AST) -> Iterator[tuple[ast.Call, Function | ast.expr | None]]:
    """Each call of `db.write` with the work it is given."""
    known = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("db.write"):
            (work,) = call.args
            yield call, known.get(work.id) if isinstance(work, ast.Name) else work if is_work(work) else None


def is_work(node: ast.expr) -> bool:
    """A lambda over the transaction, or `module.function` or a partial of one, which is looked at itself."""
    is_partial = isinstance(node, ast.Call) and ast.unparse(node.func) == "partial"
    return isinstance(node, ast.Lambda | ast.Attribute) or is_partial


def functions(tree: ast.AST) -> Iterator[Function]:
    """Everything that runs inside a transaction: the works, and whatever takes a transaction as its first argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Lambda) and takes_handle(node):
            yield node


def takes_handle(function: ast.AsyncFunctionDef | ast.Lambda) -> bool:
    return any(argument.arg in HANDLES for argument in function.args.args[:1])


def faults_of(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Await) and not passes_handle(node.value):
            yield f"{line}: awaits {ast.unparse(node.value)}, which is not given the transaction"
        elif isinstance(node, ast.Try | ast.AsyncWith | ast.AsyncFor | ast.Yield | ast.YieldFrom):
            yield f"{line}: a work has no {type(node).__name__}"
        elif isinstance(node, ast.comprehension) and node.is_async:
            yield f"{function.lineno}: a work has no asynchronous comprehension"
        elif isinstance(node, ast.Attribute | ast.Name) and ast.unparse(node) in {"asyncio", "core.db", "core.blobs"}:
            yield f"{line}: a work has nothing to do with {ast.unparse(node)}"
    if isinstance(function, ast.Lambda) and not passes_handle(function.body):
        yield f"{function.lineno}: the transaction goes nowhere"


def passes_handle(node: ast.expr) -> bool:
    """A call of the transaction's own method, or of a function that is given the transaction first."""
    if not isinstance(node, ast.Call):
        return False
    first = node.args[0] if node.args else None
    owner = node.func.value if isinstance(node.func, ast.Attribute) else None
    return any(isinstance(part, ast.Name) and part.id in HANDLES for part in (first, owner))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_every_work_awaits_its_transaction_only_and_catches_nothing(path: Path) -> None:
    assert faults(path.read_text("utf-8")) == []


def test_the_works_of_the_services_are_all_seen() -> None:
    seen = [call for path in SOURCES for call, _ in works(ast.parse(path.read_text("utf-8")))]

    assert len(seen) >= 10


BAD = {
    "a pause": "async def work(tx):\n    await asyncio.sleep(0)",
    "bytes": "async def work(tx):\n    await core.blobs.put(key, data)",
    "a nested write": "async def work(tx):\n    await core.db.write(other)",
    "a read beside the transaction": "async def work(tx):\n    await images.find_image(core.db, 1, 2, 3)",
    "a lock": "async def work(tx):\n    async with lock:\n        await tx.run('')",
    "a generator": "async def work(tx):\n    async for row in rows():\n        await tx.run('')",
    "an asynchronous comprehension": "async def work(tx):\n    return [row async for row in rows()]",
    "a caught error": "async def work(tx):\n    try:\n        await tx.run('')\n    except Conflict:\n        pass",
    "a function below that pauses": "async def _commit(tx, image):\n    await wait()",
    "a bare future": "async def work(tx):\n    await future",
    "a lambda of something else": "async def use(core):\n    await core.db.write(lambda tx: other(core))",
    "a work from elsewhere": "async def use(core):\n    await core.db.write(make_work(1))",
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_work_is_seen(name: str) -> None:
    assert faults(BAD[name])


GOOD = """
async def use(core):
    async def work(tx):
        if await accounts.find_account(tx, "main") is None:
            raise NotFound("account", "main")
        return [await tx.one("SELECT 1"), await _row(tx, 1)]

    await core.db.write(work)
    await core.db.write(lambda tx: rows.add(tx, 1))
    await db.write(partial(rows.forget, blob_id=1))
    await asyncio.sleep(0)
"""


def test_a_good_work_is_not_blamed() -> None:
    assert faults(GOOD) == []
