"""Which snapshot a drill restores, and what it measures."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edms_tasks.drill_settings import DrillSettings, words_of
from edms_tasks.errors import CommandError, SettingsError, TerminalError, UnknownSnapshot
from edms_tasks.periods import seconds_of
from edms_tasks.report.drill_facts import CommandOutcome, DrillFacts, Measured
from edms_tasks.settings import Settings, settings_from
from flows.drilling import drilled_snapshot, recovery_point
from flows.drilling.acceptance import name_of
from flows.drilling.drill_folder import drill_folder
from flows.drilling.drilled_snapshot import choose_for_drill
from flows.requests import DrillRequest

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass
class Known:
    """What a repository knows: snapshots by id with their age in hours, and its log, the newest entry first."""

    snapshots: dict[str, float]
    log: list[SimpleNamespace] = field(default_factory=list)

    def add(self, event: str, hours: float, snapshot: str | None = None, **facts: Any) -> None:
        entry = SimpleNamespace(event=event, at=NOW - hours * HOUR, snapshot=snapshot, edms=None, facts=facts)
        self.log.append(entry)
        self.log.sort(key=lambda one: one.at, reverse=True)

    def open(self, settings: object) -> Any:
        return SimpleNamespace(
            display="the repository", log=SimpleNamespace(backwards=lambda: iter(self.log), proves=lambda entry: True)
        )

    def state(self, settings: object, repository: object) -> Any:
        order = sorted(self.snapshots, key=lambda one: -self.snapshots[one])
        links = {name: SimpleNamespace(created=NOW - hours * HOUR) for name, hours in self.snapshots.items()}
        survey = SimpleNamespace(intact=dict.fromkeys(order), links=links)
        chain = SimpleNamespace(order=tuple(order))
        newest = order[-1] if order else None
        return SimpleNamespace(own=SimpleNamespace(survey=survey, chain=chain, newest=newest, key="edms", owner={}))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[Known]:
    made = Known({})
    for module in (drilled_snapshot, recovery_point):
        monkeypatch.setattr(module, "Repository", made)
        monkeypatch.setattr(module, "state_of", made.state)
    yield made


def settings(**drill: Any) -> Settings:
    return settings_from({"drill": drill} if drill else {}, where=Path("/etc/edms-backup.toml"))


def test_a_random_choice_prefers_snapshots_that_no_drill_has_restored(known: Known) -> None:
    known.snapshots = {"a": 40, "b": 30, "c": 20, "d": 10}
    for name in "abd":
        known.add("drill", 5, name, verdict="proved")
    known.add("drill", 4, "c", verdict="failed")  # it did not come back: that is no reason to pass over it

    for seed in range(20):
        assert choose_for_drill(settings(), DrillRequest(random=True, seed=seed)).name == "c"


def test_the_same_seed_chooses_the_same_and_others_choose_all(known: Known) -> None:
    known.snapshots = {"a": 40, "b": 30, "c": 20, "d": 10}

    first = choose_for_drill(settings(), DrillRequest(random=True))
    seed = int(first.how.rpartition(" ")[2])
    chosen = {choose_for_drill(settings(), DrillRequest(random=True, seed=one)).name for one in range(50)}

    assert choose_for_drill(settings(), DrillRequest(random=True, seed=seed)) == first
    assert chosen == {"a", "b", "c", "d"}


def test_if_all_were_drilled_any_may_be_chosen_again(known: Known) -> None:
    known.snapshots = {"a": 40}
    known.add("drill", 5, "a", verdict="proved")

    assert choose_for_drill(settings(), DrillRequest(random=True, seed=1)).name == "a"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (DrillRequest(seed=1), CommandError),
        (DrillRequest(snapshot="monday", random=True), CommandError),
        (DrillRequest(random=True), UnknownSnapshot),
    ],
)
def test_requests_without_sense_are_refused(request_: DrillRequest, error: type[Exception], known: Known) -> None:
    with pytest.raises(error):
        choose_for_drill(settings(), request_)


def hours(point: recovery_point.RecoveryPoint) -> tuple[float | None, float | None]:
    return tuple(None if one is None else one / 3600 for one in (point.age, point.widest_gap))  # type: ignore[return-value]


def test_the_recovery_point_is_the_newest_snapshots_age_and_the_longest_gap(known: Known) -> None:
    known.snapshots = {"a": 100, "b": 50, "c": 10}
    for name, age in known.snapshots.items():
        known.add("backup", age, name)

    assert hours(recovery_point.recovery_point(settings(), NOW)) == (10, 50)


def test_a_prune_makes_no_gap(known: Known) -> None:
    known.snapshots = {"a": 96, "e": 1}  # the log knows those between, which a prune has removed
    for name, age in {"a": 96, "b": 72, "c": 48, "d": 24, "e": 1}.items():
        known.add("backup", age, name)

    assert hours(recovery_point.recovery_point(settings(), NOW)) == (1, 24)


def test_gaps_before_the_last_drill_were_reported_by_it_and_one_that_it_cut_counts(known: Known) -> None:
    known.snapshots = {"a": 500, "b": 300, "c": 60, "d": 30, "e": 6}
    for name, age in known.snapshots.items():
        known.add("backup", age, name)
    known.add("drill", 50, rpo_seconds=36000)
    known.add("drill", 20)  # it failed before it could measure anything

    assert hours(recovery_point.recovery_point(settings(), NOW)) == (6, 30)


def test_a_backup_that_made_no_snapshot_counts_for_nothing(known: Known) -> None:
    known.snapshots = {"a": 48, "b": 2}
    known.add("backup", 48, "a")
    known.add("backup", 24, None)
    known.add("backup", 2, "b")

    assert hours(recovery_point.recovery_point(settings(), NOW)) == (2, 46)


def test_without_snapshots_there_is_nothing_to_measure(known: Known) -> None:
    assert hours(recovery_point.recovery_point(settings(), NOW)) == (None, None)


def facts(
    problem: str = "", rto: Measured | None = None, age: Measured | None = None, gap: Measured | None = None
) -> DrillFacts:
    none = Measured(1, None)
    return DrillFacts(
        NOW, "as named", (CommandOutcome("login", "x", problem, 1),), rto or none, age or none, gap or none
    )


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (facts(), 0),
        (facts(rto=Measured(10, 10)), 0),
        (facts(rto=Measured(10.1, 10)), 1),
        (facts("exit code 1", rto=Measured(None, 10)), 1),  # the command is the reason
        (facts("exit code 1", age=Measured(9000, 3600), gap=Measured(9000, 3600)), 3),
        (facts(age=Measured(3600, 3600), gap=Measured(3600, 3600)), 0),
        (facts(age=Measured(None, 3600)), 1),
    ],
)
def test_each_reason_is_a_line(found: DrillFacts, lines: int) -> None:
    assert len(found.problems) == lines
    assert found.as_json()["passed"] is (lines == 0)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("45min", 2700), ("4h", 14400), ("1d2h", 93600), ("1w", 604800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds
    assert DrillSettings(rto=text, rpo=text).rto == text


@pytest.mark.parametrize("text", ["", "4", "4 h", "-1h", "4m", "h", "4hours"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"drill\.rto"):
        settings(rto=text)


@pytest.mark.parametrize(
    "commands", [["./manage.py"], ["python3 manage.py"], ["-c"], ["'unclosed"], [""], [[]], [" "], [["", "x"]], "check"]
)
def test_commands_without_words_are_refused(commands: Any) -> None:
    with pytest.raises(SettingsError, match=r"drill\.commands"):
        settings(commands=commands)


def test_commands_are_texts_or_lists() -> None:
    found = settings(commands=["check --tag 'a b'", ["-c", "print(1)\nprint(2)"]]).drill.commands

    assert [words_of(one) for one in found] == [("check", "--tag", "a b"), ("-c", "print(1)\nprint(2)")]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("check --deploy", "check --deploy"),
        (("-c", "\n# a login\nimport x"), "a login"),
        (("-c", "# not a title"), "-c '# not a title'"),
        (("shell", "-c", "#   a search  \nx"), "a search"),
        (("-c", "# \x1b[31mred\nx"), "\\x1b[31mred"),
        (("-c", "x" * 200), f"-c {'x' * 76}…"),
    ],
)
def test_the_first_comment_of_a_program_is_its_name(command: Any, name: str) -> None:
    assert name_of(command) == name


def test_only_folders_with_our_mark_and_without_a_lock_are_swept(tmp_path: Path) -> None:
    (tmp_path / "edms-drill-mine").mkdir()
    (tmp_path / "edms-drill-file").write_text("x", encoding="utf-8")
    (tmp_path / "edms-drill-link").symlink_to(tmp_path / "edms-drill-mine")
    with drill_folder(tmp_path) as first:
        closed = first / "files" / "closed"
        closed.mkdir(parents=True)
        (closed / "paper").write_text("x", encoding="utf-8")
        closed.chmod(0)
        left = tmp_path / "edms-drill-left"
        left.mkdir()
        (left / ".made-by-an-edms-backup-drill").write_bytes((first / ".made-by-an-edms-backup-drill").read_bytes())
        with drill_folder(tmp_path) as second:
            assert first.exists()
            assert not left.exists()
        assert not second.exists()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["edms-drill-file", "edms-drill-link", "edms-drill-mine"]


def test_a_folder_that_cannot_be_removed_is_said_and_hides_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(folder: Path) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("flows.drilling.drill_folder.shutil.rmtree", busy)
    with pytest.raises(TerminalError, match="could not be removed") as said, drill_folder(tmp_path):
        pass
    assert "edms-drill-" in said.value.where
    monkeypatch.setattr("flows.drilling.drill_folder._remove_if_left", lambda folder: None)
    with pytest.raises(CommandError, match="The first error"), drill_folder(tmp_path):
        raise CommandError("The first error.")
