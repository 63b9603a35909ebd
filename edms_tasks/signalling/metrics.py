"""Numbers for Prometheus: a file for node_exporter's textfile collector, written whole after each run.

The numbers of all verbs are kept in the working folder, because each run knows its own only. Times are points in time, from which
Prometheus computes ages, as its conventions want.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.json_text import parsed_json

_STATE = "metrics.json"
_TRIES, _SECONDS_BETWEEN_TRIES = 50, 0.1

HELP = {
    "edms_backup_run_last_timestamp_seconds": "When the last run of the verb ended.",
    "edms_backup_run_last_success_timestamp_seconds": "When the last run of the verb that succeeded ended.",
    "edms_backup_run_last_success": "Whether the last run of the verb succeeded.",
    "edms_backup_run_last_duration_seconds": "How long the last run of the verb took.",
    "edms_backup_run_last_findings": "Findings of the last run of the verb, by severity.",
    "edms_backup_run_last_new_findings": "Findings that the last run of the verb had and the one before it had not.",
    "edms_backup_snapshot_timestamp_seconds": "When the newest snapshot was made.",
    "edms_backup_snapshot_rows": "Rows in the newest snapshot.",
    "edms_backup_snapshot_files": "Files in the newest snapshot.",
    "edms_backup_snapshot_stored_bytes": "Bytes of all objects of the newest snapshot.",
    "edms_backup_proof_timestamp_seconds": "When a restore or drill last proved a snapshot.",
    "edms_backup_proved_snapshot_timestamp_seconds": "When the newest snapshot that was proved was made.",
    "edms_backup_signal_failed": "Whether the last signal on this way could not be sent.",
}
"""Every metric, all of them gauges, with its help."""


@dataclass(frozen=True)
class Gauge:
    """A number of a metric, with its labels."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """What tells it from others."""
        return self.name + "".join(f"\0{name}\0{value}" for name, value in self.labels)


def update_metrics(file: Path, workdir: Path, edms: str, new: Mapping[str, Gauge], gone: frozenset[str]) -> None:
    """Add samples to those of earlier runs, without those of the keys in `gone`, and write the file. Raises OSError."""
    private_folder(workdir)
    with _alone(workdir / f"{_STATE}.lock"):
        kept = {key: sample for key, sample in _read(workdir / _STATE).items() if key not in gone}
        samples = {**kept, **new}
        state = [[one.name, one.value, [list(label) for label in one.labels]] for one in samples.values()]
        write_durably(workdir / _STATE, json.dumps(state))
    with _alone(file.parent):  # others may have another working folder
        _write_for_all(file, exposition(samples, edms, _of_others(file, edms)))


def exposition(samples: Mapping[str, Gauge], edms: str, others: Sequence[str] = ()) -> str:
    """The samples in Prometheus' text format, with the lines of other EDMSs."""
    lines: list[str] = []
    for name, said in HELP.items():
        own = [one for one in samples.values() if one.name == name]
        theirs = [line for line in others if line.startswith(f"{name}{{")]
        if own or theirs:
            lines += [f"# HELP {name} {said}", f"# TYPE {name} gauge"]
            lines += [f"{name}{{{_labels((('edms', edms), *one.labels))}}} {one.value!r}" for one in own]
            lines += theirs
    return "\n".join(lines) + "\n"


def _of_others(file: Path, edms: str) -> list[str]:
    """The lines of other EDMSs in the file, which they share."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError):
        return []
    ours = f"{{{_labels((('edms', edms),))}"
    return [line for line in lines if "{edms=" in line and f"{ours}," not in line and f"{ours}}}" not in line]


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _read(path: Path) -> dict[str, Gauge]:
    try:
        found = parsed_json(path.read_bytes())
        samples = [Gauge(name, float(value), tuple((a, b) for a, b in labels)) for name, value, labels in found]
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError):
        return {}  # damaged: the numbers of other verbs come back with their next runs
    return {one.key: one for one in samples if one.name in HELP}


def _write_for_all(file: Path, text: str) -> None:
    """Replace the file at once; the collector is another user, so it is readable for all. It says nothing that is secret."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Lock a file, which is made, or a folder."""
    held = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in range(_TRIES):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_SECONDS_BETWEEN_TRIES)
        else:
            raise OSError(errno.EBUSY, "Another run is writing them for too long.", str(path))
        yield
    finally:
        os.close(held)
