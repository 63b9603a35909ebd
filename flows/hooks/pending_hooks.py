"""Remember on disk that hooks are to run: `workdir/hooks/<token>.json`, locked by the run that made it.

The kernel gives the lock back when that run dies, so what is there and not locked is of a run that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.errors import TerminalError
from edms_tasks.hook_settings import HooksSettings
from edms_tasks.json_text import parsed_json
from edms_tasks.settings import Settings
from flows.hooks.run_hook import Situation


@dataclass(frozen=True)
class AbandonedHooks:
    """The hooks of a killed run."""

    situation: Situation
    began: str
    path: Path
    hooks: HooksSettings  # as the killed run's settings had them: others may be in force by now

    def remove(self) -> None:
        """Forget them, because they have run."""
        self.path.unlink(missing_ok=True)


@contextmanager
def pending(settings: Settings, situation: Situation) -> Iterator[None]:
    """Remember, for as long as the block runs, that the hooks after a verb must run."""
    folder = private_folder(private_folder(settings.workdir) / "hooks")
    path = folder / f"{secrets.token_hex(8)}.json"
    with _alone(folder):  # a file that is there and not locked yet would look abandoned
        began = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        said = {"verb": situation.verb, "snapshot": situation.snapshot, "began": began}
        write_durably(path, json.dumps({**said, "hooks": _those_to_come(settings.hooks, situation.verb)}))
        held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(held)


def _those_to_come(hooks: HooksSettings, verb: str) -> dict[str, object]:
    names = ("timeout", f"after_{verb}", f"error_{verb}")
    return {name: value for name, value in hooks.model_dump(mode="json").items() if name in names}


def abandoned(settings: Settings) -> Iterator[AbandonedHooks]:
    """The hooks of killed runs; each stays locked until the next one is asked for, so that no other run has them, too."""
    folder = settings.workdir / "hooks"
    if not folder.is_dir():
        return
    with _alone(folder):
        found = sorted(folder.glob("*.json"))
    for path in found:
        try:
            held = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # its run has just ended
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists():
                yield _read(path)
        except BlockingIOError:
            continue  # its run is at work
        finally:
            os.close(held)


def _read(path: Path) -> AbandonedHooks:
    try:
        said = parsed_json(path.read_text(encoding="utf-8"))
        hooks = HooksSettings.model_validate(said["hooks"])
        return AbandonedHooks(Situation(said["verb"], snapshot=said["snapshot"]), said["began"], path, hooks)
    except (ValueError, KeyError, TypeError) as error:
        raise TerminalError(
            "A run was killed before its hooks, and the file that says which cannot be read.",
            where=str(path),
            why=str(error),
            fix="See whether the EDMS runs; then remove the file.",
        ) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)
