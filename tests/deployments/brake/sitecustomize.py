"""Holds a run of a worker at a stage or task of a given name. Python imports this by itself, from the worker's PYTHONPATH.

EDMS_TEST_BRAKE is a folder. `point` in it names where to stop; there, `reached` gets the number of the process. The run goes on
when `point` is gone.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import sys
import time
from pathlib import Path
from typing import Any

FOLDER = os.environ.get("EDMS_TEST_BRAKE", "")


def brake(name: str) -> None:
    folder, held = Path(FOLDER), False
    while True:
        try:
            wanted = (folder / "point").read_text()
        except FileNotFoundError:
            return
        if wanted != name:
            return
        if not held:
            held = True
            unfinished = folder / "reached.part"
            unfinished.write_text(str(os.getpid()))
            unfinished.rename(folder / "reached")
        time.sleep(0.05)


def arm(module: Any) -> None:
    stage, make_task = module.PrefectRunner.stage, module.make_task

    def braked_stage(self: Any, name: str) -> Any:
        brake(name)
        return stage(self, name)

    def braked_task(task: Any) -> Any:
        work = task.fn

        @functools.wraps(work)
        def braked(*args: Any, **kwargs: Any) -> Any:
            title = task.title(*args, **kwargs)
            brake(title)
            made = work(*args, **kwargs)
            brake(f"after {title}")
            return made

        object.__setattr__(task, "fn", braked)
        return make_task(task)

    module.PrefectRunner.stage, module.make_task = braked_stage, braked_task


class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != "flows.running.on_prefect":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        assert spec is not None and spec.loader is not None
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            arm(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if FOLDER:
    sys.meta_path.insert(0, Finder())
