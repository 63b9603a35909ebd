"""Django's fixtures of every kind of field and table that the zoo has become snapshots, and Django says the same of what is restored."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from edms_tasks.settings import Settings, settings_from
from flows.convert import convert
from flows.requests import ConvertRequest
from flows.running.run import Run
from tests.postgres_server import PostgresServer
from tests.reference_system import Engine
from tests.running import run_restore
from tests.warm_python import edms_python
from tests.zoo.the_zoo import PROJECT, ask_keeper

pytestmark = pytest.mark.long

# A view and a table that no migration makes; and rows that refer to rows that are gone, of which one has a place.
_NOT_THERE = {"sqlite": ["zoo.heavyshipment"], "postgresql": ["zoo.heavyshipment", "zoo_postgresql.journal"]}
_LOST = {"zoo.Box.archive": 1, "zoo.Clause.contract": 2}
_ROWS_OF_THESE = r"(?ms)^{}.*?(?=^{}|\Z)"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_rows_that_the_database_does_not_allow_together_end_no_conversion(
    engine: Engine, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    ledgers = [("Main", 2024, False), ("main", 2024, True), ("Main", 2023, False), ("old", 1800, True)]
    rows = [
        {"model": "zoo.ledger", "pk": pk, "fields": {"name": name, "year": year, "closed": closed}}
        for pk, (name, year, closed) in enumerate(ledgers, 1)
    ]
    (tmp_path / "old.json").write_text(json.dumps(rows), encoding="utf-8")
    source = f"sqlite:///{tmp_path}/source.sqlite3"
    if engine == "postgresql":
        source = postgres_server.create_database("converted_ledgers")
    else:
        Path(source.removeprefix("sqlite:///")).touch()  # a system that has no tables yet
    settings = settings_of({"ZOO_DATABASE": source, "ZOO_EXTENSIONS": ""}, tmp_path)

    made = convert.fn(Run(settings), ConvertRequest(path=str(tmp_path / "old.json")))

    assert made.made is not None
    (kept,) = [one.state.rows for one in made.made.manifest.tables if one.table.model == "zoo.Ledger"]
    assert made.left_out is not None
    listed = [json.loads(line) for line in made.left_out.read_text(encoding="utf-8").splitlines()]
    # The first is open beside the third, and spelled like the second; SQLite keeps rows that a CHECK refuses.
    expected = {1: "name_in_any_case forbids it beside a later row"}
    if engine == "postgresql":
        expected[4] = "no_antiquity forbids it"
    assert {row["pk"]: row["why"] for row in listed} == expected
    assert kept == len(ledgers) - len(expected)
    if engine == "postgresql":
        postgres_server.drop_database("converted_ledgers")


@pytest.mark.parametrize("form", ["json", "xml", "yaml"])
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_fixtures_of_the_zoo_come_back(
    engine: Engine, form: str, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    source, target = f"sqlite:///{tmp_path}/source.sqlite3", str(tmp_path / "back.sqlite3")
    back = f"sqlite:///{target}"
    if engine == "postgresql":
        source, target = postgres_server.create_database(f"converted_zoo_{form}"), f"converted_zoo_{form}_back"
        back = postgres_server.url(target)
    environment = {"ZOO_DATABASE": source, "ZOO_EXTENSIONS": ""}
    ask_keeper("fill", environment)
    before = dumped(environment, engine, tmp_path / f"before.{form}")
    settings = settings_of(environment, tmp_path)

    made = convert.fn(Run(settings), ConvertRequest(path=str(tmp_path / f"before.{form}")))
    done = run_restore(settings, snapshot=made.snapshot_id, into=target)

    assert done.verdict == "proved", done.failures
    assert {one.subject: one.count for one in made.losses} == _LOST
    after = dumped(environment | {"ZOO_DATABASE": back}, engine, tmp_path / f"after.{form}")
    gone, new = before - after, after - before
    assert len(gone) == 3 and len(new) == 1, (gone, new)
    assert all(re.search(r"zoo\.(clause|box)\b", one) for one in gone | new)
    if engine == "postgresql":
        for name in (f"converted_zoo_{form}", target):
            postgres_server.drop_database(name)


def settings_of(environment: dict[str, str], folder: Path) -> Settings:
    """Those of a system with the zoo's code."""
    return settings_from(
        {
            "edms": {"project": str(PROJECT), "settings": "zoo_settings", "python": edms_python(), "env": environment},
            "repository": {"url": str(folder / "repository")},
            "workdir": str(folder / "work"),
        },
        where=folder / "edms-backup.toml",
    )


def dumped(environment: dict[str, str], engine: Engine, path: Path) -> set[str]:
    """What `dumpdata` writes to a file, an object each; times of JSON without the zeros that it writes for what it has cut."""
    without = [word for model in _NOT_THERE[engine] for word in ("--exclude", model)]
    words = [edms_python(), "-m", "django", "dumpdata", "--all", "--indent", "1", "--format", path.suffix[1:]]
    variables = {"DJANGO_SETTINGS_MODULE": "zoo_settings", "PYTHONPATH": str(PROJECT), **environment}
    done = subprocess.run(
        [*words, *without, "-o", str(path)], env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    text = re.sub(r"(:\d\d)\.000(Z?\")", r"\1\2", path.read_text(encoding="utf-8"))
    begin = {".json": r"\{", ".xml": " <object model", ".yaml": "- model"}[path.suffix]
    return {one.rstrip(",]\n") for one in re.findall(_ROWS_OF_THESE.format(begin, begin), text)}
