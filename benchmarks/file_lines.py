"""Files alone: the first and the second backup of a media folder beside `tar | zstd -3` of it."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.figures import Figure, against
from benchmarks.file_contents import FileMaker
from benchmarks.installation import Site
from benchmarks.ours import Protected
from benchmarks.peers import tar_zstd

_FILES_PER_FOLDER = 50


def file_lines(site: Site, files: int, pairs: int) -> Iterator[Figure]:
    """Line 8. The EDMS has no documents, so that the stage that stores files does next to nothing else."""
    edms = site.install("files", 0)
    FileMaker(seed=1).write(
        edms.media / "documents" / f"{number // _FILES_PER_FOLDER:06d}" / f"{number:06d}.bin" for number in range(files)
    )
    firsts, seconds, tars, stored, archived = [], [], [], [], []
    for _ in range(pairs):
        protected = Protected(edms, site.folder / "ours")
        site.settle()
        firsts.append(protected.backup())
        stored.append(firsts[-1].repository_bytes)
        site.settle()
        seconds.append(protected.backup())
        protected.forget()
        site.settle()
        tars.append(tar_zstd(edms.media, site.folder / "files.tar.zst"))
        archived.append((site.folder / "files.tar.zst").stat().st_size)
        (site.folder / "files.tar.zst").unlink()
    for run in (*firsts, *seconds):
        if run.files != files:
            raise RuntimeError(f"{files} files were written, {run.files} are in the snapshot")
    tar = median(run.seconds for run in tars)
    yield against(
        "first backup of files / tar | zstd -3", "seconds",
        median(run.file_seconds for run in firsts), tar, 1.2, files=files, seconds=firsts[-1].seconds,
    )  # fmt: skip
    yield against(
        "second backup of unchanged files / tar | zstd -3", "seconds",
        median(run.file_seconds for run in seconds), tar, 0.1, files=files, seconds=seconds[-1].seconds,
    )  # fmt: skip
    yield against("stored files / tar | zstd -3", "bytes", median(stored), median(archived), None, files=files)
