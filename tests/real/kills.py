"""Kill backups, restores and rollbacks at random moments, and see what is left.

    python -m tests.real.kills sqlite --kills 100
    python -m tests.real.kills postgresql --kills 100            SIGKILL of the process
    python -m tests.real.kills postgresql --kills 50 --server    an immediate stop of the database server

Each trial starts from the same repository. What must hold after a kill, whenever it came: the live system is wholly what it was
or wholly what was restored, every snapshot that exists is whole, the same command then succeeds, its result is right to the
last value, and nothing is left over. The witness (`tests/independent_comparison.py`) shares no code with the product.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.direct_access import spoil
from tests.independent_comparison import differences, picture
from tests.postgres_server import PostgresServer
from tests.real.one_command import run_command
from tests.reference_system import EdmsTemplates, Engine, LazyPostgres, ReferenceEdms, ReferenceEdmsFactory

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.real.one_command"])
_VERBS = ("backup", "restore", "verify", "plan", "diff", "merge", "doctor")  # whose runs have a scratch folder
_PATIENCE_SECONDS = 300.0
_IN_USE_TRIES = 60  # a killed run's own children (the EDMS's interpreter, pg_dump) may live on for a moment


class Broken(AssertionError):
    """A promise that a kill broke."""


@dataclass
class Scene:
    """The system under test: two snapshots, and what the live system is in each of their states."""

    folder: Path
    edms: ReferenceEdms
    config: Path
    server: PostgresServer | None
    pictures: dict[str, dict[str, object]] = field(default_factory=dict)
    live: str = "second"
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self, *words: str) -> tuple[int, str]:
        """A command to its end; waits where a killed run's children are still connected."""
        for _ in range(_IN_USE_TRIES):
            process, log = self.start(*words)
            process.join(_PATIENCE_SECONDS)
            said = log.read_text(errors="replace")
            if process.exitcode == 3 and "in use" in said:
                time.sleep(1)
                continue
            break
        return process.exitcode if process.exitcode is not None else -1, said

    def must(self, *words: str) -> str:
        """A command that has to succeed."""
        code, said = self.run(*words)
        if code != 0:
            raise Broken(f"{' '.join(words)} ended with {code}:\n{said[-3000:]}")
        return said

    def start(self, *words: str) -> tuple[multiprocessing.process.BaseProcess, Path]:
        """A command in a process of its own, and the file that it prints to."""
        log = self.folder / "said.txt"
        process = PROCESSES.Process(
            target=run_command, args=([*words, "--config", str(self.config)], str(log), dict(os.environ))
        )
        process.start()
        return process, log

    def is_live(self) -> str:
        """Which of the two states the live database is in; anything else is broken. Files are looked at apart."""
        now = picture(self.edms)
        for name, was in self.pictures.items():
            if not [part for part in differences(was, now) if part != "files"]:
                return name
        raise Broken(
            f"the live database is neither state; it differs from the first in {differences(self.pictures['first'], now)}"
        )

    def must_be(self, name: str) -> None:
        """The live system, database and files, is wholly in a state."""
        if wrong := differences(self.pictures[name], picture(self.edms)):
            raise Broken(f"the live system is not the {name} state: {wrong}")


def prepare(engine: Engine, folder: Path, server: LazyPostgres) -> Scene:
    """An EDMS with two snapshots; the repository and the work folder are kept to start each trial from."""
    name = f"kills_{secrets.token_hex(3)}"
    edms = ReferenceEdmsFactory(EdmsTemplates(folder / "templates", server), folder / "edms", name)(
        engine, documents=10
    )
    config = edms.settings_file(
        folder / "edms-backup.toml", folder / "repository", extra="[validate]\ndjango_check = false"
    )
    scene = Scene(folder, edms, config, server.server if engine == "postgresql" else None)
    for state in ("first", "second"):
        started = time.monotonic()
        scene.must("backup", "--tag", state, "--no-flow")
        scene.seconds["backup"] = time.monotonic() - started
        scene.pictures[state] = picture(edms)
        if state == "first":
            spoil(edms)
    for verb, words in (("restore", ("first", "--yes", "--no-flow")), ("rollback", ("--yes",))):
        started = time.monotonic()
        scene.must(verb, *words)
        scene.seconds[verb] = time.monotonic() - started
    scene.must_be("second")
    tidy(scene)
    shutil.copytree(folder / "repository", folder / "repository.kept")
    shutil.copytree(folder / "work", folder / "work.kept")
    return scene


def trial(scene: Scene, verb: str, moment: float, *, crash: bool) -> str:
    """One kill; returns what had become of the run by then."""
    for name in ("repository", "work"):
        shutil.rmtree(scene.folder / name)
        shutil.copytree(scene.folder / f"{name}.kept", scene.folder / name)
    before = scene.live
    other = "first" if before == "second" else "second"
    words = {"backup": ("backup",), "restore": ("restore", other, "--yes"), "rollback": ("rollback", "--yes")}[verb]
    words = words if verb == "rollback" else (*words, "--no-flow")
    if verb == "rollback":  # something to roll back
        scene.must("restore", other, "--yes", "--no-flow")
        before, other = other, before
    ended = strike(scene, words, moment, crash=crash)
    after = scene.is_live()
    if verb == "backup":
        scene.must_be(before)
        scene.must("verify", "--no-flow")
        scene.must("backup", "--no-flow")
        no_strays(scene)
    elif verb == "restore" or after == before:
        scene.must(*words)
        scene.live = other
        scene.must_be(other)
    else:
        scene.must("restore", before, "--yes", "--no-flow")  # also finishes the files' half of the rollback
        scene.must_be(before)
        scene.live = before
    nothing_left(scene)
    tidy(scene)
    became = "not changed" if after == before else "changed"
    return f"{verb}: {ended}, live system {became}" if verb != "backup" else f"{verb}: {ended}"


def strike(scene: Scene, words: Sequence[str], moment: float, *, crash: bool) -> str:
    """Start a command and end it, or the server, at a moment (seconds from its start)."""
    process, log = scene.start(*words)
    process.join(moment)
    had_ended = process.exitcode is not None
    if crash:
        assert scene.server is not None  # only PostgreSQL has one
        scene.server.crash()
        scene.server.start_again()
        process.join(_PATIENCE_SECONDS)
        if process.exitcode is None:
            process.kill()
            raise Broken("the run did not end after its server had gone")
        said = log.read_text(errors="replace")
        if process.exitcode not in (0, 3) or "Traceback" in said or "Unexpected error" in said:
            raise Broken(f"after the server had gone the run ended with {process.exitcode}:\n{said[-3000:]}")
        if had_ended:
            return "had ended before"
        # Before its first question or after its last one a run does not notice.
        return "ended well with the server back" if process.exitcode == 0 else "failed with an error that says why"
    if had_ended:
        if process.exitcode != 0:
            raise Broken(f"it failed by itself with {process.exitcode}:\n{log.read_text(errors='replace')[-3000:]}")
        return "had ended before"
    process.kill()
    process.join()
    return "killed"


def no_strays(scene: Scene) -> None:
    """After a complete backup the repository holds what its manifests name, and nothing half written."""
    repository = scene.folder / "repository"
    named: set[str] = set()
    for manifest in (repository / "snapshots").glob("*.json"):
        named |= set(_hashes(json.loads(manifest.read_text(encoding="utf-8"))))
    there = {path.name for path in (repository / "objects").rglob("*") if path.is_file()}
    halves = [path.name for folder in ("tmp", "pending") for path in (repository / folder).glob("*")]
    if there - named or halves:
        raise Broken(f"left in the repository: {len(there - named)} objects that nothing names, {halves}")


def _hashes(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["sha256"]] if isinstance(value.get("sha256"), str) else []
        return own + [found for part in value.values() for found in _hashes(part)]
    return [found for part in value for found in _hashes(part)] if isinstance(value, list) else []


def nothing_left(scene: Scene) -> None:
    """No staging database or folder, no scratch folder."""
    staged = [path for path in scene.edms.media.parent.glob("*staging*") if not path.name.endswith(".lock")]
    if scene.server is not None:
        staged += [Path(name) for name in scene.server.databases() if "staging" in name or "migrated" in name]
    scratch = [path for verb in _VERBS for path in (scene.folder / "work").glob(f"{verb}-*") if path.is_dir()]
    if staged or scratch:
        raise Broken(f"left over: {staged + scratch}")


def tidy(scene: Scene) -> None:
    """Remove what restores set aside, as an administrator would."""
    for path in [*scene.edms.media.parent.glob("*.previous-*"), *scene.edms.media.parent.glob("*.undone-*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if scene.server is not None:
        for name in scene.server.databases():
            if name.startswith(scene.edms.database_name + "_"):
                scene.server.drop_database(name)


def main() -> int:
    """Run the trials and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=["sqlite", "postgresql"])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server", action="store_true", help="stop the database server instead of the process")
    wanted = parser.parse_args()
    dice = random.Random(wanted.seed)
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edms-kills-")))
        folder.chmod(0o755)
        postgres = LazyPostgres()
        stack.callback(postgres.stop)
        scene = prepare(wanted.engine, folder, postgres)
        print("seconds without a kill:", {verb: round(taken, 1) for verb, taken in scene.seconds.items()}, flush=True)
        verbs = ["backup"] * 9 + ["restore"] * 9 + ["rollback"] * 2
        for number in range(wanted.kills):
            verb = dice.choice(verbs)
            moment = dice.uniform(0, scene.seconds[verb])
            try:
                outcome = trial(scene, verb, moment, crash=wanted.server)
            except Broken as problem:
                broken.append(f"trial {number}: {verb} at {moment:.3f} s: {problem}")
                print(broken[-1], flush=True)
                break  # the scene is spoiled
            outcomes[outcome] += 1
            if "had ended before" in outcome:  # the machine was slower when the time without a kill was taken
                scene.seconds[verb] = max(0.5, min(scene.seconds[verb], moment * 0.9))
            print(f"{number + 1:4} {moment:7.3f} s  {outcome}", flush=True)
    print()
    for outcome, times in sorted(outcomes.items()):
        print(f"{times:5}  {outcome}")
    print(f"{len(broken)} broken promises in {sum(outcomes.values()) + len(broken)} trials")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
