"""Every format, cut anywhere and with changed bytes: an error or findings, never a crash, and a cut file is never all there."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from edms_tasks.databases.postgresql import dump_restoring
from edms_tasks.errors import EdmsBackupError
from edms_tasks.legacy.old_backup import OldBackup
from tests.legacy.every_format import backups, content_of, read_backup, written

Damage = Callable[[Mapping[str, bytes], random.Random], tuple[dict[str, bytes], str]]
WHOLE = backups()
_MORE = 200
# Formats that have no end, and files that paperless keeps no checksum of.
_ENDS_ANYWHERE = (".yaml", ".jsonl", "thumbnail.webp")
_UNPROVED = {"old-unproved", "dump-unchecked"}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dump_restoring, "SILENCE", 3)


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_one_is_known(name: str, tmp_path: Path) -> None:
    old = read_backup(written(WHOLE[name], tmp_path / "whole"), tmp_path / "scratch")

    assert old is not None
    assert old.rows or old.dump or old.folders


@pytest.mark.parametrize("name", WHOLE)
def test_a_cut_or_changed_one(name: str, tmp_path: Path) -> None:
    fuzz(name, tmp_path, range(3))


@pytest.mark.long
@pytest.mark.parametrize("name", WHOLE)
def test_two_hundred_cuts_and_changes(name: str, tmp_path: Path) -> None:
    fuzz(name, tmp_path, range(1000, 1000 + _MORE))


def fuzz(name: str, folder: Path, seeds: range) -> Counter[str]:
    """Cut and change a backup; how often each came to what."""
    came_to: Counter[str] = Counter()
    for seed in seeds:
        for damage in (_cut, _flipped):
            backup, what = damage(WHOLE[name], random.Random(f"{damage.__name__} {name} {seed}"))
            place = folder / f"{damage.__name__}-{seed}"
            old = _look(written(backup, place / "files"), place / "scratch")
            came_to[f"{damage.__name__}: {_outcome(old)}"] += 1
            _require_honest(name, old, place / "files" / _top(name), damage, what)
            shutil.rmtree(place)
    return came_to


def _look(path: Path, scratch: Path) -> OldBackup | None:
    try:
        return read_backup(path, scratch)
    except EdmsBackupError as error:
        assert str(error)  # it says what is wrong
        return None


def _outcome(old: OldBackup | None) -> str:
    if old is None:
        return "refused"
    return (
        "losses"
        if old.losses
        else "unproved"
        if _codes(old) & _UNPROVED
        else "findings"
        if old.findings
        else "all there"
    )


def _require_honest(name: str, old: OldBackup | None, path: Path, damage: Damage, what: str) -> None:
    """What is said to be all there is all there; of the rest it is said that nothing proves it, where nothing does."""
    if old is None or old.losses:
        return
    if content_of(path, path.parent / "read again") == _content(name):
        return
    # A letter may be another one, which only a checksum would tell; an end between two rows tells of nothing.
    assert _codes(old) & _UNPROVED, f"{name}, {what}: all there"
    is_known = what.split(" cut ")[0].endswith(_ENDS_ANYWHERE) or "dump-without-end" in _codes(old)
    assert damage is _flipped or is_known, f"{name}, {what}: not said to be cut"


@cache
def _content(name: str) -> Mapping[str, object]:
    with TemporaryDirectory() as folder:
        return content_of(written(WHOLE[name], Path(folder) / "files"), Path(folder) / "scratch")


def _top(name: str) -> str:
    return next(iter(WHOLE[name])).split("/")[0]


def _codes(old: OldBackup) -> set[str]:
    return {one.code for one in old.findings}


def _cut(backup: Mapping[str, bytes], chance: random.Random) -> tuple[dict[str, bytes], str]:
    name = chance.choice([name for name, data in backup.items() if data])
    keep = chance.randrange(len(backup[name]))
    return {**backup, name: backup[name][:keep]}, f"{name} cut after {keep}"


def _flipped(backup: Mapping[str, bytes], chance: random.Random) -> tuple[dict[str, bytes], str]:
    name = chance.choice([name for name, data in backup.items() if data])
    data = bytearray(backup[name])
    places = [chance.randrange(len(data)) for _ in range(chance.randrange(1, 4))]
    for at in places:
        data[at] ^= 1 << chance.randrange(8)
    return {**backup, name: bytes(data)}, f"{name} changed at {places}"
