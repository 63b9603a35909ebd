"""What docs/versioning.md promises to keep, as it is now: commands, options, exit codes, settings, codes, parameters of flows.

python -m tests.release.promised        write it into promised.json, at a release; before 1.0.0 also when something was taken away
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import typer

from edms_tasks import errors
from edms_tasks.findings import REGISTRY
from edms_tasks.settings import Settings
from flows import requests
from flows.cli.app import app

RECORD = Path(__file__).with_name("promised.json")


def promised() -> dict[str, list[str]]:
    """What is promised -> its names, each with what may not change about it."""
    return {
        "commands and options": sorted(_options((), typer.main.get_command(app))),
        "errors and their exit codes": sorted(f"{one.code} {one.exit_code}" for one in _errors()),
        "findings": sorted(REGISTRY),
        "parameters of flows": sorted(_parameters()),
        "settings": sorted(_settings(Settings, "")),
    }


def _options(above: tuple[str, ...], command: Any) -> Iterator[str]:
    for option in command.params:
        for name in (*option.opts, *option.secondary_opts):
            yield " ".join((*above, name))
    for name, below in getattr(command, "commands", {}).items():
        yield " ".join((*above, name))
        yield from _options((*above, name), below)


def _errors(base: type[errors.EdmsBackupError] = errors.EdmsBackupError) -> Iterator[type[errors.EdmsBackupError]]:
    yield base
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _errors(child)


def _parameters() -> Iterator[str]:
    for name, kind in vars(requests).items():
        if name.endswith("Request") and is_dataclass(kind):
            yield from (f"{name}.{field.name}" for field in fields(kind))


def _settings(model: Any, above: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{above}{field.alias or name}"
        if hasattr(field.annotation, "model_fields"):
            yield from _settings(field.annotation, f"{key}.")
        else:
            yield key


if __name__ == "__main__":
    RECORD.write_text(json.dumps(promised(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
