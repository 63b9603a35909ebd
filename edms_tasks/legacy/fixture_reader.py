"""The reader of Django's fixtures: what `dumpdata` writes, in JSON, lines of JSON, XML or YAML, compressed or not, one file or many."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.legacy.archives import is_archive
from edms_tasks.legacy.backup_metadata import metadata_beside, rows_differ
from edms_tasks.legacy.checksum_beside import SUFFIXES_OF_CHECKSUMS, check_beside
from edms_tasks.legacy.json_levels import ROW_BEGINS
from edms_tasks.legacy.json_rows import Splitting, split_rows
from edms_tasks.legacy.old_backup import FileFolder, OldBackup, Recognised, Scratch
from edms_tasks.legacy.packed_fixtures import FILES, PackedFixtures, files_beside, first_fixture
from edms_tasks.legacy.row_files import RowFiles
from edms_tasks.legacy.source import Source
from edms_tasks.legacy.xml_rows import split_xml
from edms_tasks.legacy.yaml_rows import split_yaml

_JSON = re.compile(ROW_BEGINS.pattern.encode())
_XML = re.compile(rb"<django-objects\b")
_YAML = re.compile(rb"(?m)^- (?:model|fields|pk): ")
_SUFFIXES = (".json", ".jsonl", ".xml", ".yaml", ".yml")
_EXAMPLES = 5
_FALLBACK = re.compile(
    rb'"backup_type"\s*:\s*"(?:edms_metadata_fallback|django_metadata_fallback|django_native_database)"|"tables_info"\s*:'
)
Split = Callable[[IO[bytes], Splitting], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class FixtureReader:
    """Reads fixtures."""

    format: str = "dumpdata"
    title: str = "Django fixtures (dumpdata)"

    def recognise(self, source: Source) -> Recognised | None:
        """A file by its content; a folder if it has such files beside each other."""
        if source.is_folder:
            found = fixtures_in(source.path)
            if not found:
                return None
            evidence = (f"{len(found)} files of fixtures, such as {found[0].path.name}",)
            return Recognised(self.format, self.title, "likely", evidence)
        if is_archive(source):
            first = first_fixture(source, _SUFFIXES, kind_of)
            if first is None:
                return None
            return Recognised(
                self.format, self.title, "likely", (f"rows of models in {first[1]}, in {first[0][:200]}",)
            )
        kind = kind_of(source.head)
        if kind is None:
            if _FALLBACK.search(source.head):
                evidence = ("a list of tables without rows, which a tool writes where its dump has failed",)
                return Recognised(self.format, self.title, "certain", evidence)
            if re.fullmatch(rb"\s*\[\s*\]?\s*", source.head) and source.name.endswith(_SUFFIXES):
                return Recognised(self.format, self.title, "possible", ("an array of JSON without any row",))
            return None
        packed = f", in {source.compression}" if source.compression else ""
        evidence = (f"rows of models in {kind}{packed}",)
        return Recognised(self.format, self.title, "certain" if source.name.endswith(_SUFFIXES) else "likely", evidence)

    def read(self, source: Source, scratch: Scratch) -> OldBackup:
        """Read one file, or all fixtures of a folder."""
        recognised = self.recognise(source)
        assert recognised is not None
        rows = RowFiles(scratch)
        if is_archive(source) in ("zip", "tar"):
            return self._read_packed(recognised, source, rows, scratch)
        files = fixtures_in(source.path) if source.is_folder else [source]
        findings: list[Finding] = []
        cut_times = False
        for one in files:
            kind = kind_of(one.head)
            cut_times |= kind == "JSON"
            wrong, proved = check_beside(one)
            said, unreadable = metadata_beside(one)
            before = rows.counts
            findings += [*wrong, *unreadable, *read_fixture(one, rows, proved=proved)]
            findings += rows_differ(said, {model: n - before.get(model, 0) for model, n in rows.counts.items()})
        folders: tuple[FileFolder, ...] = ()
        if source.is_folder:
            findings += _not_read(source.path, {one.path for one in files})
            folders, wrong = files_beside(source, scratch)
            findings += wrong
        return OldBackup(
            recognised,
            facts={"files": str(len(files))} if len(files) > 1 else {},
            rows=rows.finish(),
            folders=folders,
            findings=tuple(findings),
            cut_times=cut_times,
        )

    def _read_packed(self, recognised: Recognised, source: Source, rows: RowFiles, scratch: Scratch) -> OldBackup:
        kinds: set[str] = set()

        def read_one(stream: IO[bytes], kind: str, name: str, checked: bool) -> list[Finding]:
            kinds.add(kind)
            return read_rows(stream, kind, name, rows, checked=checked)

        wrong, proved = check_beside(source)
        packed = PackedFixtures(scratch, _SUFFIXES, kind_of, read_one)
        folders = packed.take(source, proved=proved)
        return OldBackup(
            recognised,
            facts={"files": str(packed.fixtures)} if packed.fixtures > 1 else {},
            rows=rows.finish(),
            folders=folders,
            findings=(*wrong, *packed.found),
            cut_times="JSON" in kinds,
        )


def kind_of(head: bytes) -> str | None:
    """The serialiser that wrote data beginning so: JSON, XML or YAML; None if it is no fixture."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.decode("utf-16", "replace").encode()
    if _XML.search(head):
        return "XML"
    if _JSON.search(head):
        return "JSON"
    return "YAML" if _YAML.search(head) else None


def fixtures_in(folder: Path) -> list[Source]:
    """The fixtures that stand in a folder, by name."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_symlink() or not path.is_file():
            continue
        source = Source(path)
        if source.name.endswith(_SUFFIXES) and kind_of(source.head) is not None:
            found.append(source)
    return found


def _not_read(folder: Path, read: set[Path]) -> Iterator[Finding]:
    """What else is in a folder of fixtures: an error if it may be rows."""
    lost, others = list[str](), list[str]()
    for path in sorted(folder.rglob("*")):
        if path in read or (path.is_dir() and not path.is_symlink()):
            continue
        if path.is_relative_to(folder / FILES) and not (folder / FILES).is_symlink():
            continue  # files of roots
        source, name = Source(path), path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            lost.append(f"{name}: it is no file")
        elif kind_of(source.head) is not None:
            lost.append(f"{name}: it holds rows")
        elif source.name.endswith(_SUFFIXES) and not source.name.endswith("metadata.json"):
            lost.append(f"{name}: it is empty" if not source.size else f"{name}: no rows are recognised in it")
        elif path.suffix not in SUFFIXES_OF_CHECKSUMS:
            others.append(name)
    if lost:
        what = "Files that hold rows, or should, stand in the folder and were not read."
        fix = "Give them names such as .json and put them beside the others, or convert each by its own path."
        shown = tuple(lost[:_EXAMPLES])
        yield make_finding(
            "old-not-converted", folder.name, what, severity="error", count=len(lost), examples=shown, fix=fix
        )
    if others:
        shown = tuple(others[:_EXAMPLES])
        yield make_finding("old-not-converted", folder.name, severity="warning", count=len(others), examples=shown)


def read_fixture(source: Source, rows: RowFiles, *, proved: bool = False) -> list[Finding]:
    """Add a file's rows to `rows`; returns what is wrong with it. `proved`: a checksum beside it is that of the file.

    Raises:
        UnreadableBackup: its rows are of too many models.
    """
    with source.open() as stream:
        return read_rows(
            stream, kind_of(source.head) or "JSON", source.path.name, rows, checked=proved or source.is_checked
        )


def read_rows(stream: IO[bytes], kind: str, name: str, rows: RowFiles, *, checked: bool) -> list[Finding]:
    """Add the rows of a stream to `rows`; returns what is wrong with it.

    Args:
        stream: the decompressed fixture.
        kind: JSON, XML or YAML.
        name: the file's name, for findings.
        rows: gets the rows.
        checked: whether a checksum covers the bytes, so that a changed one would have been seen.
    """
    seen = Splitting()
    split: Split = {"JSON": split_rows, "XML": split_xml, "YAML": split_yaml}[kind]
    for model, line in split(stream, seen):
        rows.add(model, line)
    return damage_findings(name, seen, checked=checked)


def damage_findings(name: str, seen: Splitting, *, checked: bool) -> list[Finding]:
    """What is wrong with a fixture that was split."""
    examples = tuple(seen.examples)
    if not seen.rows and _FALLBACK.search(seen.beginning):
        what = "It is a list of tables without any row, which a tool wrote when its dump had failed, although it reported success."
        return [make_finding("old-no-rows", name, what, count=seen.beginning.count(b"column_count") or 1)]
    findings: list[Finding] = []
    if seen.noise_before or seen.noise_after:
        noise = seen.noise_before + seen.noise_after
        findings.append(
            make_finding(
                "old-noise", name, f"{noise:,} characters stand around the rows and were skipped.", count=noise
            )
        )
    if seen.damaged or seen.not_rows:
        count = seen.damaged + seen.not_rows
        findings.append(make_finding("old-rows-damaged", name, count=count, examples=examples))
    if not seen.is_whole:
        why = "The data cannot be decompressed to its end." if seen.stream_damage else "The array is not closed."
        if seen.cut:
            why = "It ends in the middle of a row."
        findings.append(
            make_finding(
                "old-truncated",
                name,
                f"{why} {seen.rows:,} whole rows were read; what stood behind is lost, and how much is not known.",
                examples=(seen.stream_damage,) if seen.stream_damage else examples[-1:],
            )
        )
    if seen.keyless:
        shown = tuple(f"{model[:100]}: {count:,} rows" for model, count in seen.keyless.most_common(_EXAMPLES))
        findings.append(make_finding("old-keys-absent", name, count=seen.keyless.total(), examples=shown))
    if not seen.rows:
        findings.append(make_finding("old-no-rows", name))
    elif not checked:
        no_end = (
            ""
            if seen.is_array
            else " Nor has it a mark at its end: whether rows are missing behind the last one cannot be told."
        )
        what = f"The backup has no checksum that would show a changed byte.{no_end}"
        findings.append(make_finding("old-unproved", name, what))
    return findings
