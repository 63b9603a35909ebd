"""Compare a snapshot's migrations with those of the EDMS's code: what Django would do.

The rules are Django's (`django/db/migrations/loader.py`): a squashed migration counts as applied if all migrations that it
replaces are. It takes their place if all or none of them are applied; otherwise they remain and it is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from edms_tasks.inventory.probe_report import ProbeMigration

Key = tuple[str, str]
"""(app label, name of the migration), as `django_migrations` has it."""


@dataclass(frozen=True)
class MigrationObstacle:
    """A reason why Django could not bring the snapshot's migrations forward, and what can be done."""

    app: str
    why: str
    fix: str


@dataclass(frozen=True)
class MigrationHistory:
    """The differences between the snapshot's migrations and the code's."""

    planned: tuple[Key, ...]  # in the code only: Django would run them, in this order
    missing: tuple[Key, ...]  # in the snapshot only: this code is older
    left: tuple[Key, ...]  # records of apps without migrations in the code
    stale: tuple[Key, ...]  # records of migrations that later code removed: nothing has to be done
    obstacles: tuple[MigrationObstacle, ...]

    @property
    def apps_left(self) -> tuple[str, ...]:
        """Apps with records in the snapshot, but without migrations in the code."""
        return tuple(sorted({app for app, _ in self.left}))


def compare_histories(
    applied: Iterable[Key], leaves: Iterable[Key], code: Sequence[ProbeMigration]
) -> MigrationHistory:
    """Compare a snapshot's migrations with the code's.

    Args:
        applied: the records of the snapshot's `django_migrations`.
        leaves: the last migration of each app in the code that the snapshot was made under.
        code: all migrations of the present code.
    """
    recorded = {(app, name) for app, name in applied}
    tips = [(app, name) for app, name in leaves]
    graph = _effective(recorded, code)
    known = {migration.key for migration in code} | {key for migration in code for key in migration.replaces}
    apps = {migration.app for migration in code}
    unknown = {key for key in recorded if key[0] in apps and key not in known}
    # If the code has the last migration that the snapshot was made under, it is not older, even if earlier ones were removed.
    passed = {app for app, _ in tips if all(tip in known for tip in tips if tip[0] == app)}
    stale = {key for key in unknown if key[0] in passed}
    planned = _in_order({key: after for key, after in graph.after.items() if key not in graph.applied})
    obstacles = [*graph.obstacles, *_begun_anew(planned, recorded, graph, apps), *_out_of_order(graph)]
    anew = {obstacle.app for obstacle in obstacles}
    return MigrationHistory(
        planned=planned,
        missing=tuple(sorted(key for key in unknown - stale if key[0] not in anew)),
        left=tuple(sorted(key for key in recorded if key[0] not in apps)),
        stale=tuple(sorted(stale)),
        obstacles=tuple(obstacles),
    )


def migration_names(keys: Iterable[Key]) -> str:
    """`documents.0001_initial, users.0002_roles`."""
    return ", ".join(f"{app}.{name}" for app, name in keys)


@dataclass(frozen=True)
class _Graph:
    after: Mapping[Key, frozenset[Key]]  # each migration that counts -> those it comes after
    applied: frozenset[Key]  # squashed ones included that stand for applied ones
    obstacles: tuple[MigrationObstacle, ...]


def _effective(recorded: set[Key], code: Sequence[ProbeMigration]) -> _Graph:
    """The graph of migrations with either each squashed migration or those it replaces."""
    on_disk = {migration.key: migration for migration in code}
    applied = set(recorded)
    stands_for: dict[Key, tuple[Key, ...]] = {}  # what took the place of a migration that no longer counts
    obstacles = []
    for squashed in _inner_first([migration for migration in code if migration.replaces]):
        done = [key in applied for key in squashed.replaces]
        applied.discard(squashed.key)
        if all(done):
            applied.add(squashed.key)
        if all(done) or not any(done):
            stands_for.update({key: (squashed.key,) for key in squashed.replaces if key != squashed.key})
            continue
        stands_for[squashed.key] = squashed.replaces
        gone = [key for key in squashed.replaces if key not in on_disk]
        if gone:
            obstacles.append(_partly_squashed(squashed, [key for key in squashed.replaces if key in applied], gone))
    counting = [migration for migration in code if migration.key not in stands_for]
    after = {m.key: _resolved(m.dependencies, stands_for) - {m.key} for m in counting}
    for key, (stand_in, *others) in ((key, found) for key, found in stands_for.items() if key in on_disk):
        if not others and stand_in in after:  # what a replaced migration came after, its squashed one does
            inherited = _resolved(on_disk[key].dependencies, stands_for)
            after[stand_in] = after[stand_in] | (inherited - {stand_in})
    return _Graph(after, frozenset(applied), tuple(obstacles))


def _resolved(keys: Iterable[Key], stands_for: Mapping[Key, tuple[Key, ...]]) -> frozenset[Key]:
    found: set[Key] = set()
    waiting, seen = list(keys), set[Key]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if key in stands_for:
            waiting += stands_for[key]
        else:
            found.add(key)
    return frozenset(found)


def _inner_first(squashed: Sequence[ProbeMigration]) -> list[ProbeMigration]:
    """The squashed migrations in the order of resolution: one that replaces others that are squashed comes after them."""
    by_key = {migration.key: migration for migration in squashed}
    order = _in_order({key: frozenset(by_key[key].replaces) - {key} for key in by_key})
    return [by_key[key] for key in order]


def _in_order(after: Mapping[Key, frozenset[Key]]) -> tuple[Key, ...]:
    """The migrations in the order of their dependencies, and by name where these leave it open."""
    chosen = {key: sorted(others & after.keys()) for key, others in sorted(after.items())}
    try:
        return tuple(TopologicalSorter(chosen).static_order())
    except CycleError:  # a cycle: Django refuses such code and names them
        return tuple(sorted(after))


def _begun_anew(planned: Sequence[Key], recorded: set[Key], graph: _Graph, apps: set[str]) -> list[MigrationObstacle]:
    """Apps whose first migration would run although the snapshot has records of others that the code no longer has."""
    obstacles = []
    for app in sorted(apps):
        records = sorted(key for key in recorded if key[0] == app)
        firsts = [key for key in planned if key[0] == app and not any(other[0] == app for other in graph.after[key])]
        common = any(key[0] == app and key in graph.applied for key in graph.after)
        if records and firsts and not common:
            obstacles.append(
                MigrationObstacle(
                    app,
                    f"The snapshot was made under {migration_names(records)}; the code has none of them, and begins with "
                    f"{migration_names(firsts)}, which would create tables that are there already. Such migrations are squashed ones "
                    "whose `replaces` was removed, or were written anew.",
                    f"Install a version of the EDMS that still has the migrations of {app!r} or a squashed one that names them "
                    "in `replaces`, restore, upgrade from there.",
                )
            )
    return obstacles


def _out_of_order(graph: _Graph) -> list[MigrationObstacle]:
    obstacles = []
    for key in sorted(graph.applied & graph.after.keys()):
        behind = sorted(other for other in graph.after[key] if other in graph.after and other not in graph.applied)
        if behind:
            obstacles.append(
                MigrationObstacle(
                    key[0],
                    f"In the code {migration_names([key])} comes after {migration_names(behind)}; the snapshot has the first, and not the "
                    "latter. Django refuses such a history.",
                    "Install the version of the EDMS that the snapshot was made with, restore, and upgrade version by version.",
                )
            )
    return obstacles


def _partly_squashed(squashed: ProbeMigration, done: Sequence[Key], gone: Sequence[Key]) -> MigrationObstacle:
    return MigrationObstacle(
        squashed.app,
        f"{migration_names([squashed.key])} stands for {migration_names(squashed.replaces)}. The snapshot was made under some of them "
        f"({migration_names(done)}), and the code no longer has the others: {migration_names(gone)}.",
        f"Install a version of the EDMS that still has {migration_names(gone)}, restore, upgrade from there.",
    )
