"""What Django would do with a snapshot's migrations, told from the code's alone; `test_django_agrees.py` asks Django itself."""

from __future__ import annotations

from edms_tasks.inventory.probe_report import ProbeMigration
from edms_tasks.migrating.migration_history import MigrationHistory, compare_histories, migration_names

ONE, TWO, THREE, FOUR = (("a", f"000{number}") for number in (1, 2, 3, 4))
SQUASHED = ("a", "0001_squashed_0003")
OTHER = ("b", "0001")


def _migration(
    key: tuple[str, str], *after: tuple[str, str], replaces: tuple[tuple[str, str], ...] = ()
) -> ProbeMigration:
    return ProbeMigration(app=key[0], name=key[1], dependencies=after, replaces=replaces)


CHAIN = (_migration(ONE), _migration(TWO, ONE), _migration(THREE, TWO))


def _why(history: MigrationHistory) -> str:
    return " ".join(obstacle.why for obstacle in history.obstacles)


def test_the_same_version_has_nothing_to_do() -> None:
    assert compare_histories([ONE, TWO, THREE], [THREE], CHAIN) == MigrationHistory((), (), (), (), ())


def test_newer_code_runs_what_the_snapshot_lacks_in_the_order_of_dependencies() -> None:
    code = (*CHAIN, _migration(OTHER, THREE), _migration(FOUR, OTHER))

    history = compare_histories([ONE], [ONE], code)

    assert history == MigrationHistory((TWO, THREE, OTHER, FOUR), (), (), (), ())


def test_older_code_misses_what_the_snapshot_was_made_under() -> None:
    history = compare_histories([ONE, TWO, THREE, FOUR], [FOUR], CHAIN)

    assert (history.missing, history.planned, history.obstacles) == ((FOUR,), (), ())


def test_an_app_that_the_code_no_longer_has_is_left_alone() -> None:
    history = compare_histories([ONE, TWO, THREE, OTHER], [THREE, OTHER], CHAIN)

    assert (history.left, history.apps_left, history.missing) == ((OTHER,), ("b",), ())


def test_a_squashed_migration_counts_as_applied_where_all_it_replaces_are() -> None:
    code = (_migration(SQUASHED, replaces=(ONE, TWO, THREE)), _migration(FOUR, SQUASHED))

    assert compare_histories([ONE, TWO, THREE], [THREE], code) == MigrationHistory((FOUR,), (), (), (), ())


def test_a_squashed_migration_of_which_a_part_is_applied_gives_way_to_those_it_replaces() -> None:
    code = (*CHAIN, _migration(SQUASHED, replaces=(ONE, TWO, THREE)), _migration(FOUR, SQUASHED))

    assert compare_histories([ONE, TWO], [TWO], code) == MigrationHistory((THREE, FOUR), (), (), (), ())


def test_a_squashed_migration_runs_instead_of_those_it_replaces_where_none_is_applied() -> None:
    code = (*CHAIN, _migration(SQUASHED, replaces=(ONE, TWO, THREE)), _migration(OTHER, TWO))

    assert compare_histories([], [], code).planned == (SQUASHED, OTHER)


def test_squashed_migrations_may_be_squashed_again() -> None:
    again = ("a", "0001_squashed_0004")
    code = (
        _migration(SQUASHED, replaces=(ONE, TWO, THREE)),
        _migration(FOUR, SQUASHED),
        _migration(again, replaces=(SQUASHED, FOUR)),
        _migration(OTHER, FOUR),
    )

    assert compare_histories([ONE, TWO, THREE, FOUR], [FOUR], code).planned == (OTHER,)
    assert compare_histories([ONE, TWO, THREE], [THREE], code).planned == (FOUR, OTHER)


def test_a_squashed_migration_in_part_applied_whose_originals_are_gone_is_an_obstacle() -> None:
    code = (_migration(SQUASHED, replaces=(ONE, TWO, THREE)),)

    history = compare_histories([ONE, TWO], [TWO], code)

    assert "a.0001, a.0002" in _why(history)
    assert "a.0003" in history.obstacles[0].fix
    assert (history.missing, [obstacle.app for obstacle in history.obstacles]) == ((), ["a"])


def test_a_squashed_migration_whose_replaces_was_removed_is_an_obstacle_where_its_originals_are_applied() -> None:
    code = (_migration(SQUASHED), _migration(FOUR, SQUASHED))

    history = compare_histories([ONE, TWO, THREE], [THREE], code)

    assert "would create tables that are there already" in _why(history)
    assert migration_names([SQUASHED]) in _why(history)
    assert history.missing == ()


def test_a_squashed_migration_whose_replaces_was_removed_is_no_obstacle_if_it_is_applied() -> None:
    code = (_migration(SQUASHED), _migration(FOUR, SQUASHED))

    history = compare_histories([ONE, TWO, THREE, SQUASHED], [SQUASHED], code)

    assert history == MigrationHistory((FOUR,), (), (), (ONE, TWO, THREE), ())


def test_a_history_that_django_would_refuse_is_an_obstacle() -> None:
    slipped_in = ("a", "0002_slipped_in")
    code = (_migration(ONE), _migration(slipped_in, ONE), _migration(TWO, slipped_in))

    history = compare_histories([ONE, TWO], [TWO], code)

    assert "a.0002 comes after a.0002_slipped_in" in _why(history)


def test_records_of_an_app_that_was_not_in_the_snapshots_code_do_not_pass_for_old_ones() -> None:
    # The app came back in another state than the one it went in: `a.0004` deleted its tables.
    history = compare_histories([ONE, TWO, THREE, FOUR], [OTHER], (*CHAIN, _migration(OTHER)))

    assert (history.missing, history.stale) == ((FOUR,), ())
