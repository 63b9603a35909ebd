"""The models of the traits that `MEETING_TRAITS` names, such as `traits.cycles`."""

from __future__ import annotations

import importlib
import os

TRAITS = {name: importlib.import_module(f"meeting.{name}") for name in os.environ["MEETING_TRAITS"].split(",")}
