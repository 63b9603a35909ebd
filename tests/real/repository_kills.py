"""Kill what writes to a repository at random moments, and see what is left: backups, prunes, copies, rotations of keys and the rest.

    python -m tests.real.repository_kills --each 100                          of every verb, in turn
    python -m tests.real.repository_kills --each 20 --verbs prune,copy --minutes 30

Each trial starts from the same encrypted repository with a few snapshots, in which the machine's recovery key is at hand. What must
hold after a kill, whenever it came: `verify` reads every object of every snapshot and finds them right; the log is whole; every
snapshot that nothing was to remove is there; the ledger of erasures is readable and has what it had; the same command then succeeds; and
what a snapshot holds is, by a restore, what it held.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.direct_access import spoil
from tests.independent_comparison import differences, picture
from tests.real.kills import Broken, Scene
from tests.reference_system import EdmsTemplates, LazyPostgres, ReferenceEdmsFactory
from tests.running import Protected, encrypt

VERBS = {
    "backup": ("backup", "--no-flow"),
    "prune": ("prune", "--keep-last", "1", "--no-flow"),
    "copy": ("copy", "--to", "{folder}/copy", "--no-flow"),
    "rotate": ("key", "rotate", "--reencrypt"),
    "erase": ("erase", "users.User:user0002", "--column", "email=email", "--reason", "request 2"),
    "convert": ("convert", "{folder}/dumpdata.json", "--no-flow"),
    "verify": ("verify", "--no-flow"),
}
_KEPT = ("repository", "keys")  # the work folder is beside the settings


def prepare(folder: Path, server: LazyPostgres, verbs: Sequence[str]) -> tuple[Scene, str]:
    """An EDMS with three snapshots in an encrypted repository; returns the id of the newest."""
    edms = ReferenceEdmsFactory(EdmsTemplates(folder / "templates", server), folder / "edms", "kills")(
        "sqlite", documents=10
    )
    (folder / "keys").mkdir()
    config = edms.settings_file(
        folder / "keys" / "edms-backup.toml", folder / "repository", extra="[validate]\ndjango_check = false"
    )
    encrypt(Protected(edms, config, folder / "repository"))
    scene = Scene(folder, edms, config, None)
    for number in range(3):
        started = time.monotonic()
        newest = json.loads(scene.must("backup", "--no-flow", "--json").splitlines()[-1])["snapshot"]
        scene.seconds["backup"] = time.monotonic() - started
        if number == 0:
            spoil(edms)
    scene.pictures["newest"] = picture(edms)
    scene.must("erase", "users.User:user0001", "--column", "email=email", "--reason", "request 1")
    (folder / "dumpdata.json").write_text(edms.manage("dumpdata").stdout, encoding="utf-8")
    for name in _KEPT:
        shutil.copytree(folder / name, folder / f"{name}.kept")
    for verb in verbs:
        started = time.monotonic()
        scene.must(*_words(scene, VERBS[verb]))
        scene.seconds[verb] = time.monotonic() - started
    return scene, newest


def trial(scene: Scene, verb: str, moment: float, newest: str) -> str:
    """One kill; returns what had become of the run by then."""
    for name in _KEPT:
        shutil.rmtree(scene.folder / name)
        shutil.copytree(scene.folder / f"{name}.kept", scene.folder / name)
    shutil.rmtree(scene.folder / "copy", ignore_errors=True)
    words = _words(scene, VERBS[verb])
    process, _ = scene.start(*words)
    process.join(moment)
    ended = process.exitcode is not None
    process.kill()
    process.join()
    _must_be_whole(scene, newest)
    scene.must(*words)
    _must_be_whole(scene, newest)
    if verb == "copy":
        os.environ["EDMS_BACKUP__REPOSITORY__URL"] = f"{scene.folder}/copy"
        try:
            _must_be_whole(scene, newest)
        finally:
            del os.environ["EDMS_BACKUP__REPOSITORY__URL"]
    return f"{verb}: {'had ended before' if ended else 'killed'}"


def _must_be_whole(scene: Scene, newest: str) -> None:
    scene.must("verify", "--no-flow")
    scene.must("log")
    ledger = json.loads(scene.must("erasures", "--json").splitlines()[-1])
    if "request 1" not in {one["reason"] for one in ledger["erasures"]} or ledger.get("doubts"):
        raise Broken(f"the ledger lost an erasure, or is in doubt: {ledger}")
    listed = json.loads(scene.must("list", "--json").splitlines()[-1])
    if newest not in {one["id"] for one in listed["snapshots"]} or listed["problems"] or listed["damaged"]:
        raise Broken(f"the newest snapshot is gone, or something is wrong: {listed}")


def _restored(scene: Scene, newest: str) -> None:
    """At the end of all trials: the newest snapshot is what the EDMS was."""
    scene.must("restore", newest, "--yes", "--no-flow", "--without-erasures", "compared with what it was")
    if wrong := differences(scene.pictures["newest"], picture(scene.edms)):
        raise Broken(f"the restored system differs: {wrong}")


def _words(scene: Scene, words: tuple[str, ...]) -> list[str]:
    return [word.format(folder=scene.folder) for word in words]


def main() -> int:
    """Run the trials and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=100, help="kills of each verb")
    parser.add_argument("--minutes", type=float, default=0, help="begin no trial after so long; 0: no limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verbs", default=",".join(VERBS))
    wanted = parser.parse_args()
    dice = random.Random(wanted.seed)
    outcomes: Counter[str] = Counter()
    broken: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edms-kills-")))
        postgres = LazyPostgres()
        stack.callback(postgres.stop)
        verbs, began = wanted.verbs.split(","), time.monotonic()
        scene, newest = prepare(folder, postgres, verbs)
        print("seconds without a kill:", {verb: round(taken, 1) for verb, taken in scene.seconds.items()}, flush=True)
        for number in range(wanted.each * len(verbs)):
            if wanted.minutes and time.monotonic() - began > wanted.minutes * 60:
                break
            verb = verbs[number % len(verbs)]
            moment = dice.uniform(0, scene.seconds[verb])
            try:
                outcome = trial(scene, verb, moment, newest)
            except Broken as problem:
                broken.append(f"trial {number}: {verb} at {moment:.3f} s: {problem}")
                print(broken[-1], flush=True)
                continue
            outcomes[outcome] += 1
            print(f"{number + 1:4} {moment:7.3f} s  {outcome}", flush=True)
        _restored(scene, newest)
    print()
    for outcome, times in sorted(outcomes.items()):
        print(f"{times:5}  {outcome}")
    print(f"{len(broken)} broken promises in {sum(outcomes.values()) + len(broken)} trials")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
