"""Run the owner's acceptance commands in the EDMS, on the restored copy instead of the live system."""

from __future__ import annotations

import shlex
import time
from pathlib import PurePosixPath

from edms_tasks.drill_settings import Command, words_of
from edms_tasks.errors import EdmsNotImportable, SettingsError
from edms_tasks.inventory.address_mapping import name_for_the_edms
from edms_tasks.inventory.run_probe import EdmsCopy, run_on_copy
from edms_tasks.programs.secret_values import without_secrets
from edms_tasks.report.drill_facts import CommandOutcome
from edms_tasks.settings import Settings
from flows.restoring.throwaway_copy import ThrowawayCopy
from flows.running.flow_decorators import task
from flows.running.hidden_values import output_to_show
from flows.running.printable import printable
from flows.running.run import Run

_MOST_OUTPUT = 4_000
_LONGEST_NAME = 80


def require_reachable_folder(settings: Settings) -> None:
    """Check before anything is restored that the EDMS will see the copy; raises SettingsError."""
    if settings.drill.commands and settings.edms.command and settings.drill.folder_in_edms is None:
        raise SettingsError(
            "The EDMS runs in a container or on another machine, and would not see the copy's files.",
            where="[drill] folder_in_edms",
            fix="Set [drill] folder to a folder here that it sees too, and folder_in_edms to its path there; or remove [drill] commands.",
        )


def run_acceptance(run: Run, copy: ThrowawayCopy) -> tuple[CommandOutcome, ...]:
    """Run all of `[drill] commands`, also after one has failed, so that one drill shows everything."""
    seen = seen_by_the_edms(run.settings, copy)
    return tuple(
        run.call(run_command, name_of(command), run.settings, words_of(command), seen)
        for command in run.settings.drill.commands
    )


def seen_by_the_edms(settings: Settings, copy: ThrowawayCopy) -> EdmsCopy:
    """The copy's database and folders by the names that they have where the EDMS runs."""
    folder, there = settings.drill.folder or settings.workdir, settings.drill.folder_in_edms

    def name(path: str) -> str:
        return str(PurePosixPath(there, *PurePosixPath(path).relative_to(folder).parts)) if there else path

    database = copy.database.name
    return EdmsCopy(
        name(database) if copy.database.is_file else database,
        tuple((one.live, name(str(one.copy))) for one in copy.folders),
        _names_of_live(settings, copy),
    )


def _names_of_live(settings: Settings, copy: ThrowawayCopy) -> tuple[str, ...]:
    """The live database's names, here and where the EDMS runs."""
    if copy.report is None:
        return ()
    name = copy.report.databases[0].name
    return tuple(dict.fromkeys((name, name_for_the_edms(name, settings))))


def name_of(command: Command) -> str:
    """A command's name in reports: the comment that a program begins with, otherwise its words."""
    words = words_of(command)
    for word in words[1:]:
        first, *more = word.strip().splitlines() or [""]
        if more and first.startswith("#"):
            return printable(first.strip("# "))[:_LONGEST_NAME]
    text = printable(" ".join(shlex.join(words).split()))
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"


@task(name="run acceptance command", tags=["accept"], task_run_name="accept: {name}")
def run_command(name: str, settings: Settings, words: tuple[str, ...], copy: EdmsCopy) -> CommandOutcome:
    """Run one command on the copy. A failure is an outcome, not an error: the others are run too."""
    began = time.monotonic()
    output = ""
    try:
        answer = run_on_copy(settings, words, copy, seconds=settings.drill.timeout)
    except EdmsNotImportable as error:
        problem = f"{error.what} {error.why}".strip()
    else:
        said = without_secrets(f"{answer.stdout}\n{answer.stderr}".strip(), settings)
        output = output_to_show(said, settings)
        if answer.problem:
            problem = f"It did not end in {settings.drill.timeout} seconds, and was ended."
        elif answer.returncode:
            last = output.splitlines()[-1][:300] if output else "It said nothing."
            problem = f"exit code {answer.returncode}: {last}"
        else:
            problem = ""
    command = without_secrets(shlex.join(words), settings)
    kept = output if len(output) <= _MOST_OUTPUT else f"…{output[-_MOST_OUTPUT:]}"
    return CommandOutcome(name, printable(command), printable(problem), time.monotonic() - began, kept)
