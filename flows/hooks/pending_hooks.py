"""Remember on disk that hooks are to run, in `workdir/hooks`: those of a run that was killed are run by the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edms_tasks.errors import TerminalError
from edms_tasks.hook_settings import HooksSettings
from edms_tasks.json_text import parsed_json
from edms_tasks.scratch.owed_by_runs import left_by_killed_runs, owed
from edms_tasks.settings import Settings
from flows.hooks.run_hook import Situation

_FOLDER = "hooks"


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


def pending(settings: Settings, situation: Situation) -> AbstractContextManager[None]:
    """Remember, for as long as the block runs, that the hooks after a verb must run."""
    began = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    said = {"verb": situation.verb, "snapshot": situation.snapshot, "began": began}
    text = json.dumps({**said, "hooks": _those_to_come(settings.hooks, situation.verb)})
    return owed(settings.workdir / _FOLDER, text)


def _those_to_come(hooks: HooksSettings, verb: str) -> dict[str, object]:
    names = ("timeout", f"after_{verb}", f"error_{verb}")
    return {name: value for name, value in hooks.model_dump(mode="json").items() if name in names}


def abandoned(settings: Settings) -> Iterator[AbandonedHooks]:
    """The hooks of killed runs; each stays locked until the next one is asked for, so that no other run has them, too."""
    for path in left_by_killed_runs(settings.workdir / _FOLDER):
        yield _read(path)


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
