"""Histories at random, squashed here and there: what is foretold is what Django itself would do."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.inventory.probe_report import ProbeMigration
from edms_tasks.migrating.migration_history import Key, compare_histories

CASES = 400


@dataclass(frozen=True)
class Case:
    """Migration files, and what a snapshot has records of."""

    code: tuple[ProbeMigration, ...]
    applied: tuple[Key, ...]


def test_the_plan_is_what_django_would_do() -> None:
    cases = [_case(random.Random(seed)) for seed in range(CASES)]

    said = _plans_by_django(cases)

    refused = 0
    for seed, (case, answer) in enumerate(zip(cases, said, strict=True)):
        history = compare_histories(case.applied, case.applied, case.code)
        if isinstance(answer, str):
            refused += 1
            assert history.obstacles, (seed, answer)
        elif _silently_left_out(case):
            assert history.obstacles, (seed, answer)
        else:
            assert history.obstacles == (), (seed, answer, history)
            assert sorted(history.planned) == sorted(map(tuple, answer)), seed
    assert 20 < refused < CASES - 100
    assert sum(bool(answer) and not isinstance(answer, str) for answer in said) > 100


def _silently_left_out(case: Case) -> bool:
    """Django drops a squashed migration without a word where a part of it is applied, the rest is gone, and nothing leans on it."""
    keys = {migration.key for migration in case.code}
    return any(
        migration.replaces
        and 0 < len(set(migration.replaces) & set(case.applied)) < len(migration.replaces)
        and not keys.issuperset(migration.replaces)
        for migration in case.code
    )


def _case(rng: random.Random) -> Case:
    """A chain of migrations in the app `a`, another in `b` that leans on it, and a squashed one that may stand for some."""
    a = [("a", f"{number:04d}") for number in range(1, rng.randint(3, 7))]
    after: dict[Key, list[Key]] = {key: a[max(0, position - 1) : position] for position, key in enumerate(a)}
    for number in range(1, rng.randint(2, 4)):
        before = [("b", f"{number - 1:04d}")] if number > 1 else []
        after["b", f"{number:04d}"] = [*before, rng.choice(a)]
    applied = _applied(rng, after)
    replaces: dict[Key, list[Key]] = {}
    if rng.random() < 0.8:
        first = rng.randrange(len(a) - 1)
        span = a[first : rng.randint(first + 2, len(a))]
        squashed = ("a", f"{span[0][1]}_squashed_{span[-1][1]}")
        replaces[squashed] = span
        after[squashed] = a[max(0, first - 1) : first]
        if set(span) <= applied and rng.random() < 0.5:
            applied.add(squashed)
        if (
            rng.random() < 0.5
        ):  # the originals are gone, and what came after the last of them comes after the squashed one
            for key in span:
                del after[key]
            if rng.random() < 0.7:
                after = {
                    key: [squashed if key != squashed and o in span else o for o in others]
                    for key, others in after.items()
                }
    code = [
        ProbeMigration(app=key[0], name=key[1], dependencies=tuple(others), replaces=tuple(replaces.get(key, ())))
        for key, others in after.items()
    ]
    return Case(tuple(code), tuple(sorted(applied)))


def _applied(rng: random.Random, after: dict[Key, list[Key]]) -> set[Key]:
    """Mostly what came about in order; now and then not."""
    if rng.random() < 0.15:
        return {key for key in after if rng.random() < 0.6}
    applied: set[Key] = set()
    stop = {"a": rng.randint(0, 6), "b": rng.randint(0, 3)}
    for key, others in after.items():
        if int(key[1]) <= stop[key[0]] and applied.issuperset(others):
            applied.add(key)
    return applied


def _plans_by_django(cases: list[Case]) -> list[list[list[str]] | str]:
    asked = [
        {"migrations": [[m.key, m.dependencies, m.replaces] for m in case.code], "applied": case.applied}
        for case in cases
    ]
    script = Path(__file__).with_name("django_migration_plan.py")
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    answers: list[list[list[str]] | str] = json.loads(done.stdout)
    return answers
