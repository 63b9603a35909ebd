"""The signals that could not be sent, kept in the working folder until one is sent on that way: `status` shows them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from edms_tasks.durable import private_folder, write_durably
from edms_tasks.json_text import parsed_json

_NAME = "unsent-signals.json"


def unsent(workdir: Path) -> dict[str, str]:
    """Way -> a sentence on what could not be sent; raises OSError or ValueError if that cannot be read."""
    try:
        found = parsed_json((workdir / _NAME).read_bytes())
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict):
        raise ValueError(f"{workdir / _NAME} is not what edms-backup wrote")
    return {str(name): str(sentence) for name, sentence in found.items()}


def note_sent(workdir: Path, results: Mapping[str, str]) -> None:
    """Note what failed, and forget what had failed on ways that work again. Raises OSError."""
    try:
        before = unsent(workdir)
    except ValueError:
        before = {}  # it is written anew
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    after = {name: sentence for name, sentence in before.items() if results.get(name, sentence)}
    after |= {name: f"on {now}: {why}" for name, why in results.items() if why}
    if after != before:
        private_folder(workdir)
        write_durably(workdir / _NAME, json.dumps(after, indent=1))
