"""Kill backups to a real S3 or SFTP server at random moments, and see what is left.

    python -m tests.real.store_kills s3 --kills 100
    python -m tests.real.store_kills sftp --kills 100

After each kill the next backup succeeds at once, every snapshot is whole, and nothing is left over: no lock, no half object, no
upload that was begun. What no snapshot names is marked, and removed by a sweep a day later.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import tomlkit

from edms_tasks.repository import Repository
from edms_tasks.settings import RepositorySettings, load_settings
from tests.direct_access import execute
from tests.real.kills import PROCESSES, Broken
from tests.real.one_command import run_command
from tests.reference_system import EdmsTemplates, LazyPostgres, ReferenceEdms, ReferenceEdmsFactory
from tests.stores.s3_places import new_bucket, s3_settings
from tests.stores.sftp_server import SftpServer
from tests.stores.swift_server import SwiftServer

_PATIENCE_SECONDS = 300.0


def place(kind: str, folder: Path, stack: ExitStack) -> RepositorySettings:
    """A server of that kind, and a repository on it."""
    if kind == "s3":
        swift = SwiftServer()
        stack.callback(swift.stop)
        account = swift.start()
        return s3_settings(account, new_bucket(account))
    (folder / "sftp").mkdir()
    server = SftpServer(folder / "sftp")
    stack.callback(server.stop)
    return server.start().settings(folder / "backups")


def settings_file(edms: ReferenceEdms, folder: Path, repository: RepositorySettings) -> Path:
    """Settings for the EDMS with that repository."""
    path = edms.settings_file(folder / "edms-backup.toml", folder / "unused", extra="[validate]\ndjango_check = false")
    text = tomlkit.parse(path.read_text(encoding="utf-8"))
    section = text["repository"]
    section["url"] = repository.url  # type: ignore[index]
    section["options"] = {name: value.get_secret_value() for name, value in repository.options.items()}  # type: ignore[index]
    path.write_text(tomlkit.dumps(text), encoding="utf-8")
    return path


def run(folder: Path, config: Path, *words: str, until: float | None = None) -> tuple[int | None, str]:
    """A command to its end, or killed after so many seconds: then its exit code is None."""
    log = folder / "said.txt"
    command = [*words, "--no-flow", "--config", str(config)]
    process = PROCESSES.Process(target=run_command, args=(command, str(log), dict(os.environ)))
    process.start()
    process.join(until if until is not None else _PATIENCE_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        return None, log.read_text(errors="replace")
    return process.exitcode, log.read_text(errors="replace")


def must(folder: Path, config: Path, *words: str) -> None:
    """A command that has to succeed."""
    code, said = run(folder, config, *words)
    if code != 0:
        raise Broken(f"{' '.join(words)} ended with {code}:\n{said[-3000:]}")


def nothing_left(config: Path) -> int:
    """No lock, no run that is pending, nothing half written; returns how many objects wait to be swept."""
    repository = Repository.open(load_settings(config).repository)
    backend = repository.backend
    if left := [name for part in ("locks", "pending", "tmp") for name, _ in backend.names(part)]:
        raise Broken(f"left in the repository: {left}")
    found = repository.survey(fresh=True)
    if found.damaged or found.missing or found.strays:
        raise Broken(f"snapshots are damaged: {found.damaged} {found.missing} {found.strays}")
    named = {repository.stored_name(ref) for one in found.intact.values() for ref in one.objects().values()}
    there = {name for name, _ in backend.names("objects")}
    if named - there:
        raise Broken(f"objects are missing: {named - there}")
    marked: set[str] = set()
    for name, _ in backend.names("marks"):
        marked |= set(json.loads(backend.read(name, 1 << 24)))
    if there - named - marked:
        raise Broken(f"neither named nor marked: {there - named - marked}")
    return len(there - named)


def main() -> int:
    """Run the trials and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["s3", "sftp"])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    dice, outcomes = random.Random(wanted.seed), Counter[str]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edms-store-kills-")))
        postgres = LazyPostgres()
        stack.callback(postgres.stop)
        edms = ReferenceEdmsFactory(EdmsTemplates(folder / "templates", postgres), folder / "edms", "x")(
            "sqlite", documents=10
        )
        config = settings_file(edms, folder, place(wanted.kind, folder, stack))
        started = time.monotonic()
        must(folder, config, "backup", "--create-repository")
        longest = time.monotonic() - started
        print(f"seconds without a kill: {longest:.1f}", flush=True)
        for number in range(wanted.kills):
            execute(edms, "UPDATE documents_documentcomment SET text = text || '.' WHERE id % 3 = 0")
            (edms.media / f"new-{number}.bin").write_bytes(dice.randbytes(200_000))
            moment = dice.uniform(0.2, longest)
            try:
                code, said = run(folder, config, "backup", until=moment)
                if code not in (None, 0):
                    raise Broken(f"it failed by itself with {code}:\n{said[-3000:]}")
                must(folder, config, "backup")
                waiting = nothing_left(config)
                if number % 10 == 9:
                    must(folder, config, "verify", "--all")
            except Broken as problem:
                print(f"trial {number}: killed at {moment:.3f} s: {problem}", flush=True)
                return 1
            outcome = "killed" if code is None else "had ended before"
            longest = longest if code is None else max(1.0, min(longest, moment))
            outcomes[outcome] += 1
            print(f"{number + 1:4} {moment:7.3f} s  {outcome}, {waiting} objects wait to be swept", flush=True)
        must(folder, config, "verify", "--all")
    print(dict(outcomes), "and no broken promise")
    return 0


if __name__ == "__main__":
    sys.exit(main())
