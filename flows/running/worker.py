"""What a worker of the cluster does: it says what it is, and performs tasks. Its settings, keys and passwords are its own."""

from __future__ import annotations

import importlib
import os
import pickle
import platform
import secrets
import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

from edms_tasks.errors import EdmsBackupError, WorkersDiffer
from edms_tasks.repository import Repository
from edms_tasks.settings import Settings, load_settings
from flows.running.flow_decorators import Task
from flows.running.sent_values import Receiver

CONFIG = "EDMS_BACKUP_CONFIG"
"""Variable of a worker: its settings file; default: edms-backup.toml in its working folder."""

TOKEN = "token"  # noqa: S105 # the name of a file
_PROGRAMS = ("edms-backup", "Django", "duckdb", "pyarrow", "psycopg", "distributed")


@dataclass(frozen=True)
class Portrait:
    """What a worker says of itself.

    Args:
        name: its process and machine.
        versions: program -> version.
        repository: the URL of the repository in its settings.
        token: what it read in the scratch folder.
        answer: the name of the file that it wrote there.
        problem: why it could not say all of this; "" if it could.
    """

    name: str
    versions: dict[str, str]
    repository: str = ""
    token: str = ""
    answer: str = ""
    problem: str = ""


@dataclass(frozen=True)
class Order:
    """A task for a worker; everything in it is plain, so that a worker with other versions can still read it.

    Args:
        folder: the run's folder, which all see.
        token: what stands in its token file.
        versions: the coordinator's versions.
        repository: the URL of its repository.
        task: "module:name" of the task.
        shared: file with the parameters that all tasks of a map share.
        item: the first parameter, pickled.
    """

    folder: str
    token: str
    versions: dict[str, str]
    repository: str
    task: str
    shared: str
    item: bytes

    def plain(self) -> dict[str, object]:
        """As a mapping of plain values."""
        return dict(vars(self))


@dataclass(frozen=True)
class Sent:
    """A parameter as it came."""

    data: bytes


@dataclass(frozen=True)
class Kept:
    """A parameter that is the same for all tasks."""

    value: object


@dataclass
class _Prepared:
    """A run that this process works for."""

    folder: str
    settings: Settings
    repositories: dict[str, Repository] = field(default_factory=dict)
    shared: dict[str, dict[str, Sent | Kept]] = field(default_factory=dict)  # by the path of its file


_prepared: _Prepared | None = None
_preparing = threading.Lock()


@cache
def versions_here() -> dict[str, str]:
    """Program -> version."""
    return {"Python": platform.python_version(), **{name: metadata.version(name) for name in _PROGRAMS}}


def portray(folder: str) -> Portrait:
    """Say what this worker is, and whether it sees the run's folder and can write to it."""
    name = f"process {os.getpid()} on {socket.gethostname()}"
    try:
        token = (Path(folder) / TOKEN).read_text()
        answer = f"answer-{secrets.token_hex(8)}"
        (Path(folder) / answer).write_text(name)
    except OSError as error:
        why = f"It does not see the scratch folder {folder}: {error.strerror or error}"
        return Portrait(name, versions_here(), problem=f"{why}.")
    try:
        url = _settings().repository.url
    except EdmsBackupError as error:
        why = f"Its settings cannot be read: {error.what} {error.where} {error.why}".strip()
        return Portrait(name, versions_here(), token=token, answer=answer, problem=why)
    return Portrait(name, versions_here(), url, token, answer)


def differences(portrait: Portrait, versions: dict[str, str], repository: str, token: str) -> list[str]:
    """Sentences on what a worker has other than the coordinator."""
    found = [
        f"It has {name} {portrait.versions.get(name, 'not at all')}, the coordinator {version}."
        for name, version in versions.items()
        if portrait.versions.get(name) != version
    ]
    if portrait.problem:
        return [*found, portrait.problem]
    if portrait.token != token:
        found.append("Its scratch folder is another one of the same path.")
    if portrait.repository != repository:
        found.append(f"Its settings name the repository {portrait.repository}, the coordinator's {repository}.")
    return found


def differ(where: str, found: list[str]) -> WorkersDiffer:
    """The error for a worker that is not like the coordinator."""
    return WorkersDiffer(
        "A worker is not like the coordinator, so nothing was begun on it.",
        where=where,
        why=" ".join(found),
        fix="Install the same versions on all machines, give them the same settings file (EDMS_BACKUP_CONFIG), and a [run] scratch that "
        "all of them see.",
    )


def perform(order: dict[str, object]) -> bytes:
    """Perform a task; returns (result or error, names of objects that were written), pickled. Errors are values here."""
    wanted = Order(**order)  # type: ignore[arg-type]
    with ExitStack() as stack:
        try:
            prepared = _prepare(wanted)
            receiver = Receiver(prepared.settings, prepared.repositories, stack)
            item, _ = receiver.unpickled(wanted.item)
            made = _task(wanted.task).fn(item, **_shared(prepared, receiver, wanted.shared))
            return receiver.pickled((made, None, _written(prepared)))
        except Exception as error:
            return _failed(error)


def _prepare(order: Order) -> _Prepared:
    """Read the settings for a run, once; a worker that joined later is looked at like the others."""
    global _prepared
    with _preparing:
        if _prepared is None or _prepared.folder != order.folder:
            portrait = portray(order.folder)
            if found := differences(portrait, order.versions, order.repository, order.token):
                raise differ(portrait.name, found)
            _prepared = _Prepared(order.folder, _settings())
        return _prepared


def _settings() -> Settings:
    return load_settings(Path(os.environ.get(CONFIG, "edms-backup.toml")).absolute())


def _shared(prepared: _Prepared, receiver: Receiver, path: str) -> dict[str, object]:
    """The parameters, by name, of the map that is under way; those of the one before are forgotten."""
    if path not in prepared.shared:
        prepared.shared = {path: pickle.loads(Path(path).read_bytes())}  # noqa: S301 # written by this run's coordinator
    parameters = {}
    of_map = prepared.shared[path]
    for name, one in of_map.items():
        if not isinstance(one, Sent):
            parameters[name] = one.value
            continue
        parameters[name], is_for_all = receiver.unpickled(one.data)
        if is_for_all:
            of_map[name] = Kept(parameters[name])
    return parameters


def _task(name: str) -> Task[..., object]:
    module, _, attribute = name.partition(":")
    found: Task[..., object] = getattr(importlib.import_module(module), attribute)
    return found


def _written(prepared: _Prepared) -> dict[str, frozenset[str]]:
    return {place: repository.written for place, repository in prepared.repositories.items()}


def _failed(error: Exception) -> bytes:
    error.add_note(f"On the worker {socket.gethostname()}, process {os.getpid()}.")
    try:
        data = pickle.dumps((None, error, {}), protocol=5)
        pickle.loads(data)  # noqa: S301 # it was pickled on the line above
    except Exception:  # an error of a library that cannot be pickled
        data = pickle.dumps((None, RuntimeError(f"{type(error).__name__}: {error}"), {}), protocol=5)
    return data
