"""Tables, ratios and the summary of one run, in plain text."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmarks.load import Round
from benchmarks.measure import Spread, spread

Figure = Callable[[Round], float]
Rounds = Mapping[str, Sequence[Round]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One measured figure beside its limit."""

    what: str
    measured: Spread
    sign: Literal["<", "<=", ">", ">="]
    limit: float

    @property
    def kept(self) -> bool:
        """Whether the median keeps the limit."""
        value = self.measured.median
        return {
            "<": value < self.limit,
            "<=": value <= self.limit,
            ">": value > self.limit,
            ">=": value >= self.limit,
        }[self.sign]


def cpu_us(one: Round) -> float:
    """The server's CPU a request, in microseconds."""
    return one.cpu_us


def rate(one: Round) -> float:
    """Requests a second."""
    return one.per_s


def alternate(measures: Mapping[str, Callable[[int], Round]], rounds: int) -> dict[str, list[Round]]:
    """So many rounds of every candidate in turn, each time beginning with another one.

    A measure is given the number of the round.
    """
    results: dict[str, list[Round]] = {name: [] for name in measures}
    names = list(measures)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(measures[name](number))
    return results


def ratio(ours: Sequence[Round], theirs: Sequence[Round], figure: Figure) -> Spread:
    """Ours over theirs, round by round: neighbours in time share the machine's mood."""
    return spread(figure(one) / figure(other) for one, other in zip(ours, theirs, strict=True))


def table(title: str, results: Rounds) -> None:
    """Print one line a candidate: medians, and in brackets the lowest and the highest round."""
    print(f"\n{title}; medians of {len(next(iter(results.values())))} rounds (lowest-highest)")
    print(f"  {'':34}{'requests/s':>24}{'server CPU us':>23}{'p50 ms':>9}{'p99 ms':>9}{'client us':>11}{'foreign':>9}")
    for name, rounds in results.items():
        print(f"  {name:34}{_cell(rounds, rate, 24)} {_cell(rounds, cpu_us, 22)}{_rest(rounds)}")


def _cell(rounds: Iterable[Round], figure: Figure, width: int) -> str:
    values = spread(map(figure, rounds))
    return f"{values.median:,.0f} ({values.low:,.0f}-{values.high:,.0f})".rjust(width)


def _rest(rounds: Sequence[Round]) -> str:
    p50, p99 = _median(rounds, lambda one: one.p50_ms), _median(rounds, lambda one: one.p99_ms)
    client, foreign = _median(rounds, lambda one: one.client_cpu_us), _median(rounds, lambda one: one.foreign)
    return f"{p50:9.2f}{p99:9.2f}{client:11.1f}{foreign:9.1%}"


def _median(rounds: Iterable[Round], figure: Figure) -> float:
    return spread(map(figure, rounds)).median


def summary(verdicts: Iterable[Verdict]) -> None:
    """Print every measured figure beside its limit."""
    print(f"\n{'':62}{'measured (lowest-highest)':>30}{'limit':>12}")
    for verdict in verdicts:
        values = verdict.measured
        measured = f"{values.median:.2f}" + (
            f" ({values.low:.2f}-{values.high:.2f})" if values.low < values.high else ""
        )
        limit = f"{verdict.sign} {verdict.limit:g}"
        print(f"{verdict.what:62}{measured:>30}{limit:>12}  {'kept' if verdict.kept else 'MISSED'}")
