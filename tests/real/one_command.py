"""One command of the product in a forked process: its libraries are loaded before, so that a kill meets work, not imports."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import duckdb  # noqa: F401 - loaded ahead
import great_expectations  # noqa: F401 - loaded ahead
import psycopg  # noqa: F401 - loaded ahead
import pyarrow.parquet  # noqa: F401 - loaded ahead

import expectations.checkpoint  # noqa: F401 - loaded ahead
import flows.backup
import flows.restore  # noqa: F401 - loaded ahead
from flows.cli.app import app


def run_command(words: Sequence[str], log: str, environment: Mapping[str, str]) -> None:
    """Run `edms-backup` with these words; what it prints goes to the file `log`."""
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(output, stream)
    app(list(words))
