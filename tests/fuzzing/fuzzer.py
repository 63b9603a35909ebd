"""Cases of a fuzzer: a file of a repository is damaged, or forged with its right name, and everything reads the repository.

Only an `EdmsBackupError` may come of it, nothing may be written outside the target, and no value may cost memory without bound.
"""

from __future__ import annotations

import functools
import hashlib
import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from edms_tasks.errors import EdmsBackupError
from tests.fuzzing.mutations import mutated
from tests.fuzzing.small_repository import SmallRepository, readers, restore_every_file
from tests.running import run_restore


@dataclass(frozen=True)
class Escaped(AssertionError):
    """Something else than an error of ours came of a case."""

    case: str
    reader: str
    what: str


def damage(repository: SmallRepository, chance: random.Random) -> str:
    """Alter a stored file in its place."""
    files = repository.files()
    name = chance.choice(sorted({name.split("/")[0] for name in files}))
    name = chance.choice([one for one in files if one.split("/")[0] == name])
    (repository.place / name).write_bytes(mutated(files[name], chance))
    return f"damaged {name}"


def forge_named(repository: SmallRepository, chance: random.Random) -> str:
    """Alter a manifest or a record, and name it by what it is now."""
    folder = chance.choice(("snapshots", "snapshots", "records"))
    files = {name: data for name, data in repository.files().items() if name.startswith(folder + "/")}
    name = chance.choice(list(files))
    data = mutated(files[name], chance)
    (repository.place / name).unlink()
    (repository.place / folder / f"{hashlib.sha256(data).hexdigest()}.json").write_bytes(data)
    return f"forged {name}"


def forge_object(repository: SmallRepository, chance: random.Random) -> str:
    """Alter an object, and the manifests that name it, so that sizes and hashes are right."""
    import pyarrow as pa

    files = repository.files()
    name = chance.choice([one for one in files if one.startswith("objects/")])
    data = files[name]
    if data[:4] == b"\x28\xb5\x2f\xfd" and chance.randrange(2):  # zstd: what is in it is altered
        codec = pa.Codec("zstd")
        plain = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
        altered = codec.compress(mutated(plain, chance), asbytes=True)
    else:
        altered = mutated(data, chance)
    before, after = Path(name).name, hashlib.sha256(altered).hexdigest()
    target = repository.place / "objects" / after[:2] / after
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(altered)
    for one, manifest in files.items():
        if one.startswith("snapshots/"):
            document = json.loads(manifest)
            _rename(document, before, after, len(altered))
            text = json.dumps(document).encode()
            (repository.place / one).unlink()
            (repository.place / "snapshots" / f"{hashlib.sha256(text).hexdigest()}.json").write_bytes(text)
    return f"forged {name}"


def _rename(value: object, before: str, after: str, size: int) -> None:
    if isinstance(value, dict):
        if value.get("sha256") == before:
            value["sha256"], value["size"] = after, size
        if before in value:
            value[after] = value.pop(before)
        for part in value.values():
            _rename(part, before, after, size)
    elif isinstance(value, list):
        for part in value:
            _rename(part, before, after, size)


def run_case(repository: SmallRepository, seed: int, *, forge: bool, restore: bool = False) -> None:
    """One case; raises Escaped. `forge`: hashes are made right, as where nothing is signed. `restore`: restore everything, too."""
    chance = random.Random(seed)
    repository.put_back()
    how = chance.choice((damage, forge_named, forge_object)) if forge else damage
    case = f"seed {seed}: {how(repository, chance)}"
    out = repository.place.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    chosen = {**readers(repository.settings), "restore files": lambda: restore_every_file(repository.settings, out)}
    if restore:
        for name in sorted(path.stem for path in (repository.place / "snapshots").iterdir()):
            chosen[f"restore {name[:12]}"] = functools.partial(
                run_restore,
                repository.settings,
                snapshot=name,
                into=f"{out}/{name}.db",
                into_files=out / f"files-{name}",
            )
    around = _around(repository)
    for reader, read in chosen.items():
        try:
            read()
        except EdmsBackupError as error:
            str(error).encode("utf-8", "strict")
        except Exception as error:
            raise Escaped(case, reader, f"{type(error).__name__}: {error}"[:2000]) from error
    if _around(repository) != around:
        raise Escaped(case, "restore", "files were written outside the target")


def _around(repository: SmallRepository) -> list[str]:
    """The names of all files beside the repository, the working folder and the target."""
    own = {"repository", "work", "out", "kept"}
    return [
        str(path) for top in repository.place.parent.iterdir() if top.name not in own for path in (top, *top.rglob("*"))
    ]
