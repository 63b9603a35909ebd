"""A sampling profiler of all threads of this process, from the standard library: which functions time is spent below."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

_SECONDS_BETWEEN_SAMPLES = 0.005
_OUR_ROOT = Path(__file__).resolve().parent.parent
_OURS = tuple(str(_OUR_ROOT / package) for package in ("flows", "edms_tasks", "expectations"))
_HANDING_ON = "direct_steps.py"
_WAITING = threading.__file__

Stack = tuple[str, ...]


class Sampler:
    """Counts stacks while it is entered; `stage` names what every stack begins with.

    Of other people's code only the function that ours called is kept. A thread that waits for other threads of this
    process is not counted; one that waits for another program or a database is.
    """

    def __init__(self, stage: Callable[[], str]) -> None:
        self.stacks: Counter[Stack] = Counter()
        self._stage = stage
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        own = threading.get_ident()
        due = time.monotonic()
        while not self._done.wait(max(0.0, due - time.monotonic())):
            due += _SECONDS_BETWEEN_SAMPLES
            for thread, frame in sys._current_frames().items():
                if thread != own and frame.f_code.co_filename != _WAITING:
                    stack = _stack_of(frame)
                    if stack:
                        self.stacks[(self._stage(), *stack)] += 1


def _stack_of(frame: FrameType | None) -> Stack:
    """From the outermost of our functions to the innermost, and the foreign one it called; empty: none is ours."""
    names: list[str] = []
    foreign = ""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(_OURS):
            if foreign and not names:
                names.append(foreign)
            # What only hands a step on says nothing about where the time goes.
            if code.co_name != "<lambda>" and not code.co_filename.endswith(_HANDING_ON):
                names.append(f"{Path(code.co_filename).stem}.{code.co_qualname}".replace(".<locals>", ""))
        else:
            foreign = f"{frame.f_globals.get('__name__', '?')}.{code.co_name}"
        frame = frame.f_back
    return tuple(reversed(names))
