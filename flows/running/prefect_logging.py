"""Log known errors of a Prefect run as one text, without the traceback, which would not help an administrator.

Known errors are this product's own, and a lost API: the run continues without it, and its result says so.
"""

from __future__ import annotations

import logging

from edms_tasks.errors import EdmsBackupError
from flows.running.printable import printable

_LOGGERS = ("prefect.flow_runs", "prefect.task_runs", "prefect.engine", "prefect.flow_runs.runner")


def shorten_known_errors() -> None:
    """Make Prefect log only the text of a known error. Other exceptions keep their tracebacks."""
    # Of a lost API these two tell once for every event, at length.
    logging.getLogger("prefect._internal.concurrency").setLevel(logging.CRITICAL)
    logging.getLogger("prefect.events.clients").setLevel(logging.CRITICAL)
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
        elif type(error).__module__.partition(".")[0] in ("httpx", "httpcore"):
            record.exc_info, record.exc_text = None, None
            record.msg, record.args = "The connection to the Prefect API is lost: %s: %s", (type(error).__name__, error)
        return True
