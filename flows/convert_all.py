"""Convert all: every old backup below a folder, one after the other; a run that was stopped goes on where it was.

What is passed over is in the table too: links, hidden files, and files that neither are a backup nor are named like one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.errors import CheckFailed, CommandError, EdmsBackupError
from edms_tasks.json_text import parsed_json
from edms_tasks.legacy.checksum_beside import SUFFIXES_OF_CHECKSUMS
from edms_tasks.legacy.formats import recognise
from edms_tasks.legacy.packed_fixtures import FILES
from flows.convert import convert
from flows.evidence.repository_log import LogFacts
from flows.requests import ConvertRequest
from flows.running.flow_decorators import Shortfall, flow
from flows.running.run import Run

_BESIDE = (*SUFFIXES_OF_CHECKSUMS, "_metadata.json", ".metadata")
_PASSED_OVER = "passed over"
_DONE = ("converted", "inspected")
# A file that is named like a backup and is none is one that is damaged, or of a tool that is not known.
_LIKE_A_BACKUP = re.compile(
    r"\.(json|jsonl|xml|ya?ml|p?sql|dump|bin|sqlite3?|db|backup|bak|tar|t[gbx]z|zip|gz|bz2|xz|zst|lzma|7z|gpg|pgdump)(\.|$)|backup|dump|export",
    re.IGNORECASE,
)
_FORMAT_OF_MANY = "dumpdata"  # a folder of fixtures may be one backup in parts, or a hundred backups


@dataclass(frozen=True)
class OneConversion:
    """What became of one old backup."""

    name: str  # below the folder
    state: str  # size and time of the file, by which a later run knows it again
    format: str = ""
    outcome: str = ""  # converted, converted with losses, inspected, passed over, unreadable, failed, …
    rows: int = 0
    losses: int = 0
    snapshot: str = ""
    why: str = ""

    @property
    def is_done(self) -> bool:
        """Whether a later run leaves it as it is. It tries the others: it may know more formats, or the EDMS's code be mended."""
        return self.outcome.startswith(_DONE)


@dataclass(frozen=True)
class ConvertAllResult:
    """What became of each."""

    folder: Path
    table: Path
    made: tuple[OneConversion, ...]
    known: int  # done by an earlier run

    @property
    def passed_over(self) -> tuple[OneConversion, ...]:
        """What is no old backup."""
        return tuple(one for one in self.made if one.outcome == _PASSED_OVER)

    @property
    def incomplete(self) -> tuple[OneConversion, ...]:
        """Those of which not everything is there."""
        return tuple(
            one for one in self.made if one.losses or one.outcome in ("unreadable", "failed", "no known format")
        )

    def shortfall(self) -> Shortfall | None:
        """Why the run counts as failed: the backups that are not whole."""
        names = tuple(f"{one.name}: {one.outcome} {one.why}".strip() for one in self.incomplete)
        return Shortfall("Not everything is there.", names) if names else None

    def log_facts(self) -> LogFacts | None:
        """None: each conversion is logged by itself."""
        return None

    def as_json(self) -> dict[str, Any]:
        """The result for `--json`."""
        return {
            "folder": str(self.folder),
            "table": str(self.table),
            "backups": [asdict(one) for one in self.made],
            "known": self.known,
            "all_there": not self.incomplete,
        }


@flow(
    name="edms-convert-all",
    flow_run_name="convert all in {path}",
    description="Converts every old backup below a folder, and leaves a table of what became of each.",
)
def convert_all(run: Run, request: ConvertRequest) -> ConvertAllResult:
    """Convert every old backup below a folder; those that an earlier run has converted are not converted again.

    Raises:
        CommandError: there is no such folder.
    """
    folder = Path(request.path or "").absolute()
    if not request.path or not folder.is_dir():
        raise CommandError("There is no such folder.", where=str(folder), fix="Name the folder of the old backups.")
    private_folder(run.settings.workdir)
    key = hashlib.sha256(f"{folder}\n{request.inspect}".encode()).hexdigest()[:12]
    table = run.settings.workdir / f"old-backups-{key}.json"
    known = {one.name: one for one in _read(table)}
    made: dict[str, OneConversion] = {}
    earlier = 0
    for path, why in _found_in(folder):
        name = path.relative_to(folder).as_posix()
        if why:
            made[name] = OneConversion(name, "", outcome=_PASSED_OVER, why=why)
            continue
        before = known.get(name)
        if before is not None and before.is_done and before.state == _state(path):
            made[name], earlier = before, earlier + 1
            continue
        run.say(f"{name}")
        made[name] = _one(run, request, path, name)
        # Those that this run has not come to yet stay known, should it be stopped.
        _write(table, (known | made).values())
    _write(table, made.values())
    return ConvertAllResult(folder, table, tuple(made.values()), earlier)


def _found_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files below a folder, and the folders that are one backup each; with the reason where one is passed over."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            yield path, "a link"
        elif path.name.startswith("."):
            yield path, "hidden"
        elif path.name.endswith(_BESIDE):
            continue  # read with the backup that it stands beside
        elif path.is_dir():
            if _is_one_backup(path):
                yield path, ""
            else:
                yield from _found_in(path)
        elif path.is_file():
            yield path, ""
        else:
            yield path, "no file"


def _is_one_backup(folder: Path) -> bool:
    """Whether a folder is one backup. So is one that cannot be read: the attempt to convert it fails, and says why."""
    try:
        # Files of roots beside fixtures belong to them.
        has_files = (folder / FILES).is_dir()
        return any(has_files or seen.format != _FORMAT_OF_MANY for _, seen in recognise(folder))
    except OSError:
        return True


def _one(run: Run, request: ConvertRequest, path: Path, name: str) -> OneConversion:
    found = OneConversion(name, _state(path))
    try:
        if not recognise(path):
            return _of_no_format(found, path)
        result = convert.fn(run, replace(request, path=str(path), tag=None))
    except CheckFailed as error:
        return replace(found, outcome="unreadable", losses=1, why=f"{error.what} {error.why}".strip()[:500])
    except EdmsBackupError as error:
        return replace(found, outcome="failed", why=f"{error.what} {error.why}".strip()[:500])
    except OSError as error:  # of this one, such as a missing permission
        return replace(found, outcome="failed", why=f"{error.filename}: {error.strerror or error}"[:500])
    outcome = "inspected" if request.inspect else "converted"
    if (not_verified := result.not_verified) is not None:
        why = "; ".join((not_verified.what, *not_verified.problems))
        return replace(found, outcome="failed", snapshot=result.snapshot_id, why=why[:500])
    return replace(
        found,
        format=result.old.recognised.format,
        outcome=f"{outcome} with losses" if result.losses else outcome,
        rows=sum(rows.rows for rows in result.old.rows),
        losses=len(result.losses),
        snapshot=result.snapshot_id,
        why="; ".join(dict.fromkeys(one.code for one in result.losses)),
    )


def _of_no_format(found: OneConversion, path: Path) -> OneConversion:
    """A file that is no backup of a known format: passed over, unless it is named like one."""
    if not _LIKE_A_BACKUP.search(path.name):
        return replace(found, outcome=_PASSED_OVER, why="no known format, and not named like a backup")
    return replace(found, outcome="no known format", why="0 bytes" if not path.stat().st_size else "")


def _state(path: Path) -> str:
    facts = path.stat()
    return f"{facts.st_size}-{facts.st_mtime_ns}"


def _write(table: Path, conversions: Iterable[OneConversion]) -> None:
    write_durably(table, json.dumps([asdict(one) for one in conversions], indent=1))


def _read(table: Path) -> Sequence[OneConversion]:
    try:
        return [OneConversion(**one) for one in parsed_json(table.read_bytes())]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        return []  # all are converted again, which stores nothing twice
