"""Work done once for all who ask, and work for later: who goes away, what fails, what ends in the middle."""

import asyncio
import gc
import traceback
import weakref
from collections.abc import AsyncIterator

import pytest

from packshot.domain.errors import (
    ImageTooLarge,
    LimitReached,
    PackshotError,
    UnacceptableImage,
    Unavailable,
    UndecodableImage,
)
from packshot.services import making
from packshot.services.calls import REQUEST_ID
from packshot.services.making import Making

KEY = ("blob", "card.webp")
OTHER = ("blob", "zoom.webp")


class Work:
    """Something to be made, or an error; it waits until it may go on, and counts how often it was begun and ended."""

    def __init__(self, error: BaseException | None = None, *, at_once: bool = True) -> None:
        self.error = error
        self.begun = 0
        self.ended = 0
        self.may_end = asyncio.Event()
        if at_once:
            self.may_end.set()

    async def __call__(self) -> str:
        self.begun += 1
        try:
            await self.may_end.wait()
            if self.error:
                raise self.error
            return "made"
        finally:
            self.ended += 1


@pytest.fixture
async def made() -> AsyncIterator[Making]:
    """To be closed when the test is over, whatever is under way."""
    opened = Making()
    yield opened
    await opened.close()


@pytest.fixture
async def complaints() -> list[str]:
    """What the event loop complains of, like an exception that nobody looked at."""
    heard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: heard.append(what["message"]))
    return heard


async def idle(making: Making) -> None:
    """Wait until nothing is left for later."""
    for _ in range(1_000):
        await asyncio.sleep(0)
        if not making.waiting:
            return
    raise AssertionError("it never ends")


async def turns() -> None:
    """Let everybody else go as far as they can."""
    for _ in range(10):
        await asyncio.sleep(0)


# Once


async def test_a_hundred_who_ask_at_once_get_what_was_made_once(made: Making) -> None:
    work = Work(at_once=False)
    asking = [asyncio.create_task(made.once(KEY, work)) for _ in range(100)]
    await turns()

    work.may_end.set()

    assert set(await asyncio.gather(*asking)) == {"made"}
    assert work.begun == 1


async def test_what_was_made_is_made_again_for_who_asks_later(made: Making) -> None:
    work = Work()

    await made.once(KEY, work)
    await made.once(KEY, work)

    assert work.begun == 2


async def test_other_things_do_not_wait(made: Making) -> None:
    slow = Work(at_once=False)
    waiting = asyncio.create_task(made.once(KEY, slow))

    assert await made.once(OTHER, Work()) == "made"
    assert not waiting.done()
    waiting.cancel()


async def test_who_goes_away_takes_it_from_nobody_else(made: Making) -> None:
    work = Work(at_once=False)
    leaving, staying = (asyncio.create_task(made.once(KEY, work)) for _ in range(2))
    await turns()

    leaving.cancel()
    await turns()
    work.may_end.set()

    assert await staying == "made"
    assert leaving.cancelled()
    assert work.begun == 1


async def test_it_goes_on_when_all_have_gone_and_serves_who_comes_meanwhile(made: Making) -> None:
    work = Work(at_once=False)
    leaving = asyncio.create_task(made.once(KEY, work))
    await turns()
    leaving.cancel()
    await turns()
    coming = asyncio.create_task(made.once(KEY, work))
    await turns()

    work.may_end.set()

    assert await coming == "made"
    assert (work.begun, work.ended) == (1, 1)


@pytest.mark.parametrize(
    "error", [Unavailable("original"), LimitReached("pictures", 1), RuntimeError("a bug")], ids=str
)
async def test_an_error_is_heard_by_all_who_wait_and_forgotten(made: Making, error: Exception) -> None:
    failing, working = Work(error, at_once=False), Work()
    asking = [asyncio.create_task(made.once(KEY, failing)) for _ in range(3)]
    await turns()

    failing.may_end.set()

    assert await asyncio.gather(*asking, return_exceptions=True) == [error] * 3
    assert await made.once(KEY, working) == "made"


@pytest.mark.parametrize("error", [UndecodableImage("cut"), RuntimeError("a bug")], ids=str)
async def test_an_error_that_nobody_waits_for_any_more_is_no_complaint(
    made: Making, complaints: list[str], error: Exception
) -> None:
    work = Work(error, at_once=False)
    leaving = asyncio.create_task(made.once(KEY, work))
    await turns()
    leaving.cancel()
    await turns()

    work.may_end.set()
    await turns()
    gc.collect()

    assert work.ended == 1
    assert complaints == []


async def test_that_something_cannot_be_made_is_remembered_for_a_while(
    made: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing, working = Work(UndecodableImage("cut")), Work()
    for _ in range(3):
        with pytest.raises(UndecodableImage, match="cut"):
            await made.once(KEY, failing)
    assert failing.begun == 1
    assert await made.once(OTHER, working) == "made"

    monkeypatch.setattr(making, "FAILED_S", -1)
    with pytest.raises(UndecodableImage):
        await Making().once(KEY, failing)
    late = Making()
    for _ in range(2):
        with pytest.raises(UndecodableImage):
            await late.once(KEY, failing)

    assert failing.begun == 4


async def test_a_remembered_error_is_as_it_was(made: Making) -> None:
    with pytest.raises(ImageTooLarge) as first:
        await made.once(KEY, Work(ImageTooLarge(10, 20, "pixels")))
    with pytest.raises(ImageTooLarge) as second:
        await made.once(KEY, Work())

    assert second.value is not first.value
    assert (str(second.value), vars(second.value)) == (str(first.value), vars(first.value))


async def test_a_remembered_error_holds_on_to_nothing_and_does_not_grow(made: Making) -> None:
    class Heavy:
        """What was at work when it failed."""

    async def fail() -> str:
        heavy = Heavy()
        held.append(weakref.ref(heavy))
        raise UndecodableImage("cut")

    async def depth() -> int:
        try:
            await made.once(KEY, fail)
        except UnacceptableImage as error:
            return len(traceback.extract_tb(error.__traceback__))
        return 0

    held: list[weakref.ref[Heavy]] = []
    first, *others = [await depth() for _ in range(5)]
    await turns()
    gc.collect()

    assert [reference() for reference in held] == [None]
    assert first > 0
    assert others == [others[0]] * 4


async def test_only_so_many_failures_are_remembered(made: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MAX_FAILED", 3)
    failing = Work(UndecodableImage("cut"))
    keys = [("blob", str(number)) for number in range(4)]

    for key in (*keys, *keys[1:]):
        with pytest.raises(UndecodableImage):
            await made.once(key, failing)
    assert failing.begun == 4

    assert await made.once(keys[0], Work()) == "made"


# Later


async def test_what_is_for_later_is_made_in_order_one_after_the_other(made: Making) -> None:
    works = [Work(at_once=False) for _ in range(3)]
    for number, work in enumerate(works):
        made.soon(("blob", str(number)), work)

    for number, work in enumerate(works):
        await turns()
        assert [work.begun for work in works] == [1] * (number + 1) + [0] * (2 - number)
        assert made.waiting == 3 - number
        work.may_end.set()
    await idle(made)

    assert [work.ended for work in works] == [1, 1, 1]


async def test_what_is_asked_for_again_is_made_once_also_while_it_is_under_way(made: Making) -> None:
    work = Work(at_once=False)
    made.soon(KEY, work)
    await turns()
    made.soon(KEY, work)

    work.may_end.set()
    await idle(made)

    assert work.begun == 1


async def test_what_is_too_much_is_forgotten(made: Making, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MAX_LATER", 2)
    works = [Work() for _ in range(3)]

    for number, work in enumerate(works):
        made.soon(("blob", str(number)), work)
    await idle(made)

    assert [work.begun for work in works] == [1, 1, 0]


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("blob store"),
        UndecodableImage("cut"),
        LimitReached("pictures", 1),
        RuntimeError("a bug"),
        asyncio.CancelledError(),
    ],
    ids=repr,
)
async def test_whatever_goes_wrong_with_one_the_others_are_made(
    made: Making, complaints: list[str], error: BaseException
) -> None:
    failing, next_one, last = Work(error), Work(), Work()
    made.soon(KEY, failing)
    made.soon(OTHER, next_one)
    await turns()
    made.soon(("blob", "last"), last)
    await idle(made)
    gc.collect()

    assert [work.begun for work in (failing, next_one, last)] == [1, 1, 1]
    assert complaints == []


@pytest.mark.parametrize(
    ("error", "remembered"),
    [(Unavailable("worker"), True), (UndecodableImage("hung"), True), (LimitReached("pictures", 1), False)],
    ids=repr,
)
async def test_an_original_that_a_thing_could_not_be_made_of_is_known(
    made: Making, error: PackshotError, *, remembered: bool
) -> None:
    made.soon(KEY, Work(error))
    await idle(made)

    assert made.failed("blob") is remembered
    assert not made.failed("other blob")


async def test_what_is_made_later_is_not_logged_as_part_of_the_request_that_came_first(made: Making) -> None:
    seen: list[str] = []

    async def note() -> None:
        seen.append(REQUEST_ID.get())

    token = REQUEST_ID.set("the first")
    made.soon(KEY, note)
    await idle(made)
    REQUEST_ID.reset(token)

    assert seen == [""]


# The end


async def test_closing_breaks_off_what_is_under_way(complaints: list[str]) -> None:
    made, asked, later, never = Making(), Work(at_once=False), Work(at_once=False), Work()
    waiting = asyncio.create_task(made.once(KEY, asked))
    made.soon(OTHER, lambda: made.once(OTHER, later))
    made.soon(("blob", "never"), never)
    await turns()

    await made.close()
    await turns()
    gc.collect()

    assert waiting.cancelled()
    assert [(work.begun, work.ended) for work in (asked, later, never)] == [(1, 1), (1, 1), (0, 0)]
    assert made.waiting == 0
    assert len(asyncio.all_tasks()) == 1
    assert complaints == []


async def test_closing_when_there_is_nothing_to_do_is_fine() -> None:
    made = Making()

    await made.close()
    await made.close()

    assert made.waiting == 0


async def test_who_closes_may_be_stopped_meanwhile() -> None:
    made, may_end = Making(), asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            await may_end.wait()

    waiting = asyncio.create_task(made.once(KEY, stubborn))
    await turns()
    closing = asyncio.create_task(made.close())
    await turns()

    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing

    may_end.set()
    await asyncio.wait([waiting])
