"""Races: penchant and its peers on the same arrays, in turn, at equal quality.

A script makes ``Race``s and hands them to ``main``. Each contestant is prepared and then warmed up
on the tiny version of its race (what compiles, compiles there), untimed; then all take turns. What
is timed is ``work()``: CPU seconds (user and system, of every thread) and wall, medians over
repeats. What it returns is turned into an answer, untimed, and judged by one function for all.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import environment
import numpy as np
import plot
import table
from record import markdown, record
from threadpoolctl import threadpool_limits

warnings.filterwarnings("ignore")  # What peers say of the versions they stand on.

THREADS = environment.THREADS
OURS = "penchant"
SIZES = ("smoke", "quick", "full")
REPEATS = {"smoke": 1, "quick": 3, "full": 5}


class Contestant(NamedTuple):
    """What is timed, and what makes an answer of its outcome."""

    work: Callable[[], Any]
    answer: Callable[[Any], Any] = lambda outcome: outcome


@dataclass(frozen=True, kw_only=True)
class Race:
    """One piece of work for several libraries.

    Parameters
    ----------
    work : what is done, in a few words: a row of the table.
    contestants : by library, what prepares it; raises ModuleNotFoundError if it is not installed.
    judge : named measures of an answer; higher is better, unless ``exact``.
    targets : by library, how many times penchant's CPU seconds it should take at least.
    tolerance : how much less of any measure is level.
    exact : whether the measures must be equal within the tolerance, not only as high.
    goal : a value of the first measure that penchant is to reach, instead of theirs.
    blas : threads of BLAS, for everyone.
    repeats : how often in full, if not as usual.
    memory : whether to measure the peak too.
    notes : by library, what a reader must know about its row.
    """

    work: str
    contestants: Mapping[str, Callable[[], Contestant]]
    judge: Callable[[Any], Mapping[str, float]]
    targets: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 0.002
    exact: bool = False
    goal: float | None = None
    blas: int = 1
    repeats: int | None = None
    memory: bool = True
    notes: Mapping[str, str] = field(default_factory=dict)


Races = Callable[[str], Iterable[Race]]
Row = dict[str, Any]


def run(one: Race, warm: Race | None, repeats: int, libraries: Iterable[str] | None) -> list[Row]:
    """Race and return a row a library; those that are not installed are named and left out."""
    ready = {}
    with threadpool_limits(one.blas, "blas"):
        for library, prepare in one.contestants.items():
            if libraries is not None and library not in libraries:
                continue
            try:
                if warm is not None and library in warm.contestants:
                    warm.contestants[library]().work()
                ready[library] = prepare()
            except ModuleNotFoundError as absent:
                print(f"{one.work}: without {library}, as {absent.name} is not installed")
        cpu: dict[str, list[float]] = {library: [] for library in ready}
        wall: dict[str, list[float]] = {library: [] for library in ready}
        outcome: dict[str, Any] = {}
        for turn in range(repeats):
            names = list(ready)
            for library in names[turn % len(names) :] + names[: turn % len(names)]:
                outcome.pop(library, None)
                gc.collect()
                clock, work = time.perf_counter(), time.process_time()
                outcome[library] = ready[library].work()
                cpu[library].append(time.process_time() - work)
                wall[library].append(time.perf_counter() - clock)
        found = {name: dict(one.judge(ready[name].answer(outcome[name]))) for name in ready}
    return [_row(one, name, found, cpu, wall) for name in ready]


def _row(
    one: Race, library: str, found: dict[str, dict[str, float]],
    cpu: dict[str, list[float]], wall: dict[str, list[float]],
) -> Row:  # fmt: skip
    row: Row = {
        "work": one.work,
        "library": library,
        "CPU s": _round(float(np.median(cpu[library]))),
        "fastest": _round(min(cpu[library])),
        "wall s": _round(float(np.median(wall[library]))),
        "repeats": len(cpu[library]),
        **{name: round(value, 4) for name, value in found[library].items()},
    }
    if OURS not in cpu:
        return row
    row["times penchant"] = round(float(np.median(cpu[library]) / np.median(cpu[OURS])), 2)
    row["level"] = level(one, found[OURS], found[library])
    target = one.targets.get(library)
    if target is not None:
        row |= {"target": target, "met": bool(row["times penchant"] >= target and row["level"])}
    if library in one.notes:
        row["note"] = one.notes[library]
    return row


def level(one: Race, ours: Mapping[str, float], theirs: Mapping[str, float]) -> bool:
    """Whether penchant's answer is as good as theirs or, if there is a goal, reaches that."""
    if one.goal is not None:
        return next(iter(ours.values())) >= one.goal - one.tolerance
    apart = [theirs[name] - ours[name] for name in ours if name in theirs]
    if one.exact:
        apart = [abs(a) for a in apart]
    return float(max(apart, default=0.0)) <= one.tolerance


def _round(seconds: float) -> float:
    return float(f"{seconds:.3g}")


def to_quality(
    work: str,
    fits: Mapping[str, Callable[[int], Contestant]],
    judge: Callable[[Any], Mapping[str, float]],
    epochs: Iterable[int],
    share: float = 0.99,
    **options: Any,
) -> Race:
    """Return the race to a quality: whole fits, each of the fewest epochs that reach it.

    The goal is ``share`` of the best that any peer reaches with any of the numbers of epochs, or
    penchant if there is no peer. Finding the epochs is not timed.
    """
    ladder = list(epochs)
    reached: dict[str, dict[int, float]] = {}

    def climb(library: str, goal: float) -> bool:
        """Fit ever more epochs until the goal is reached; return whether it is."""
        for n in ladder:
            one = fits[library](n)
            found = next(iter(judge(one.answer(one.work())).values()))
            reached.setdefault(library, {})[n] = found
            if found >= goal:
                return True
        return False

    for library in [name for name in fits if name != OURS]:
        try:
            climb(library, np.inf)
        except ModuleNotFoundError as absent:
            print(f"{work}: without {library}, as {absent.name} is not installed")
    if not reached:
        climb(OURS, np.inf)
    goal = share * max(max(found.values()) for found in reached.values())
    if OURS not in reached:
        climb(OURS, goal)
    contestants, notes = {}, {}
    for library, found in reached.items():
        n = next(
            (n for n in ladder if found.get(n, 0.0) >= goal), max(found, key=found.__getitem__)
        )
        contestants[library] = _at(fits[library], n)
        notes[library] = f"{n} epochs" + ("" if found[n] >= goal else ", its best: not there")
    ours_first = dict(sorted(contestants.items(), key=lambda one: one[0] != OURS))
    return Race(
        work=f"{work} to NDCG@10 {goal:.4f}", contestants=ours_first, judge=judge, goal=goal,
        memory=False, notes=notes, **options,
    )  # fmt: skip


def _at(fit: Callable[[int], Contestant], n: int) -> Callable[[], Contestant]:
    return lambda: fit(n)


def resident(entry: str) -> float:
    """Return a size of this process in MB: VmRSS now, or VmHWM at most since it was reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(entry):
            return int(line.split()[1]) / 1024
    raise OSError(f"{entry} is not in /proc/self/status")


def alone(one: Race, warm: Race | None, library: str) -> tuple[float, float]:
    """Return MB: what the process held when the work began, and its peak above that."""
    with threadpool_limits(one.blas, "blas"):
        if warm is not None and library in warm.contestants:
            warm.contestants[library]().work()
        contestant = one.contestants[library]()
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # The peak starts anew.
        held = resident("VmRSS")
        outcome = contestant.work()
        peak = resident("VmHWM")
        del outcome
    return held, peak - held


def _peak(script: str, size: str, number: int, library: str) -> float | None:
    done = subprocess.run(
        [sys.executable, script, "--size", size, "--alone", f"{number}", "--libraries", library],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
        return None
    return round(json.loads(done.stdout.splitlines()[-1])[1], 1)


def raced(
    races: Races, size: str, *, repeats: int | None = None, libraries: Iterable[str] | None = None
) -> Iterator[tuple[int, Race, list[Row]]]:
    """Run every race of a script; yield its number, itself and its rows."""
    tiny = [] if size == "smoke" else list(races("smoke"))
    for number, made in enumerate(races(size)):
        one = replace(made, targets={}) if size == "smoke" else made  # Too small to say anything.
        warm = tiny[min(number, len(tiny) - 1)] if tiny else None
        usual = one.repeats if size == "full" and one.repeats else REPEATS[size]
        yield number, one, run(one, warm, repeats or usual, libraries)


def main(name: str, races: Races, note: str) -> None:
    """Read the command line; race, print, and record in results/, or results/quick/."""
    parser = argparse.ArgumentParser(description=note)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--repeats", type=int, default=None)
    parser.add_argument("--libraries", nargs="+", default=None)
    parser.add_argument("--no-memory", action="store_true", help="do not measure peaks")
    parser.add_argument("--alone", type=int, default=None, help="(the peak of one race, here)")
    asked = parser.parse_args()
    if asked.alone is not None:
        tiny = list(races("smoke"))
        for number, one in enumerate(races(asked.size)):
            if number == asked.alone:
                warm = tiny[min(number, len(tiny) - 1)]
                print(json.dumps(alone(one, warm, asked.libraries[0])))
                return
    rows: list[Row] = []
    for number, one, found in raced(
        races, asked.size, repeats=asked.repeats, libraries=asked.libraries
    ):
        if one.memory and asked.size == "full" and not asked.no_memory:
            for row in found:
                row["peak MB"] = _peak(sys.argv[0], asked.size, number, row["library"])
        rows += found
        print(markdown(found), flush=True)
    if asked.size != "smoke" and asked.libraries is None:
        text = f"{note} Size: {asked.size}. {THREADS} threads for every library."
        print(record(name, rows, text, folder="" if asked.size == "full" else asked.size))
    if asked.size == "full" and asked.libraries is None:
        plot.main()
        table.main()


if __name__ == "__main__":
    raise SystemExit("A race is one of the scripts beside this; suite.py runs them all.")
