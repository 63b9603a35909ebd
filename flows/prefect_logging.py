"""Our own errors in Prefect's logs: their four facts, without the traceback that tells an administrator nothing."""

from __future__ import annotations

import logging

from edms_tasks.errors import EdmsBackupError
from flows.terminal import printable

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine", "prefect.flow_runs.runner")


def quieten_known_errors() -> None:
    """Let what Prefect logs of a known error be that error's text. Other exceptions keep their tracebacks."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(one, _KnownErrors) for one in logger.filters):
            logger.addFilter(_KnownErrors())


class _KnownErrors(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, EdmsBackupError):
            record.exc_info, record.exc_text = None, None
            record.msg, record.args = "%s", (f"{error.code}: {printable(error)}",)
        return True
