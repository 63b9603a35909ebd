"""Write one of the systems of `merged_systems.py` with ids: the rows of all tables, the positions in its trees, and its files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.zoo.boards import COLUMNS
from tests.zoo.boards import written as written_board
from tests.zoo.merged_systems import TABLES, Row, Rows
from tests.zoo.system_database import connected


@dataclass(frozen=True)
class Place:
    """Where the systems live, one after the other; `server`: the URL of their database, if it is no file in the folder."""

    folder: Path
    server: str = ""

    @property
    def database(self) -> str:
        return self.server or f"sqlite:///{self.media / 'db.sqlite3'}"

    @property
    def media(self) -> Path:
        return self.folder / "media"

    @property
    def scans(self) -> Path:
        return self.folder.parent / "archive" / "scans"


def fill(place: Place, made: Rows, system: str) -> None:
    """Replace all rows and files."""
    for entry in [*place.media.iterdir()]:
        if entry.is_dir():
            shutil.rmtree(entry)
        elif not entry.name.startswith("db.sqlite3"):
            entry.unlink()
    shutil.rmtree(place.scans, ignore_errors=True)
    place.scans.mkdir(parents=True)
    with connected(place.database) as connection:
        connection.ignore_references()
        for table in ("auth_permission", "django_content_type", *(f"small_{name}" for name in TABLES)):
            connection.execute(f'DELETE FROM "{table}"')
        for table, columns, rows in _tables(made):
            marks = ", ".join("?" for _ in columns.split(","))
            for row in rows:
                connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)
        for name, path in _scan_paths(place, made).items():
            connection.execute(
                "INSERT INTO small_scan (id, name, path) VALUES (?, ?, ?)", (made.ids["scan"][name], name, path)
            )
    for path, content in _files(place, made, system).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


_Table = tuple[str, str, list[tuple[Any, ...]]]  # its name, its columns, its rows


def _tables(made: Rows) -> list[_Table]:
    return _tags_and_trees(made) + _documents(made) + _mentions(made) + _generic_references(made)


def _tags_and_trees(made: Rows) -> list[_Table]:
    """What documents are sorted by, and the content types."""
    ids, rows, found = made.ids, made.rows, _found(made)
    paths = _paths(rows["folder"])
    return [
        (
            "django_content_type",
            "id, app_label, model",
            [(number, "small", model) for model, number in made.types.items()],
        ),
        ("small_tag", "id, name", [(ids["tag"][name], name) for name in rows["tag"]]),
        (
            "small_folder",
            "id, path, depth, numchild, name",
            [(ids["folder"][name], *paths[name], name) for name in rows["folder"]],
        ),
        (
            "small_category",
            "id, name, parent_id, lft, rght, tree_id, level, above",
            [
                (
                    ids["category"][name],
                    name,
                    found("category", row["parent"]),
                    *_nested_numbers(rows["category"])[name],
                    ",".join(str(found("category", one)) for one in _those_above(rows["category"], name)),
                )
                for name, row in rows["category"].items()
            ],
        ),
        (
            "small_shelf",
            "id, name, lft, rgt, tree_id, depth",
            [
                (ids["shelf"][name], name, left, right, tree, level + 1)
                for name, (left, right, tree, level) in _nested_numbers(rows["shelf"]).items()
            ],
        ),
    ]


def _documents(made: Rows) -> list[_Table]:
    """Documents and what belongs to one, with foreign keys."""
    ids, rows, found = made.ids, made.rows, _found(made)
    return [
        (
            "small_document",
            "id, name, file, parent_id, folder_id, category_id, shelf_id",
            [
                (
                    ids["document"][name],
                    name,
                    row["file"],
                    found("document", row["parent"]),
                    found("folder", row["folder"]),
                    found("category", row["category"]),
                    found("shelf", row["shelf"]),
                )
                for name, row in rows["document"].items()
            ],
        ),
        (
            "small_memo",
            "document_ptr_id, subject",
            [(number, f"of {name}") for name, number in ids["memo"].items()],
        ),
        (
            "small_summary",
            "document_ref, text",
            [(ids["document"][name], f"of {name}") for name in rows["summary"]],
        ),
        (
            "small_document_tags",
            "document_id, tag_id",
            [(ids["document"][name], ids["tag"][tag]) for name, row in rows["document"].items() for tag in row["tags"]],
        ),
        (
            "small_page",
            "id, document_id, number",
            [
                (ids["page"][name], ids["document"][row["document"]], row["number"])
                for name, row in rows["page"].items()
            ],
        ),
    ]


def _mentions(made: Rows) -> list[_Table]:
    """Ids in texts, lists and JSON."""
    ids, rows, found = made.ids, made.rows, _found(made)

    def written(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: written(value) for key, value in node.items()}
        if isinstance(node, list) and node and isinstance(node[0], str) and node[0].startswith("@"):
            return made.types[node[1]] if node[0] == "@type" else made.id_of(node[0][1:], node[1])
        return [written(one) for one in node] if isinstance(node, list) else node

    return [
        (
            "small_note",
            "id, name, document_id, tag_ids, label, pair, page_ref, body, text",
            [
                (
                    ids["note"][name],
                    name,
                    found("document", row["document_id"]),
                    ", ".join(str(found("tag", tag)) for tag in row["tag_ids"]),
                    " and ".join(f"document_{found('document', one)}" for one in row["label"]) or "none",
                    "" if row["pair"] is None else "{}-{}".format(*map(found, ("document", "tag"), row["pair"])),
                    found("page", row["page_ref"]),
                    json.dumps(written(row["body"])),
                    " 7 ".join(f'<a id="{found("document", one)}" linktype="document">7</a>' for one in row["text"]),
                )
                for name, row in rows["note"].items()
            ],
        ),
        (
            "small_board",
            COLUMNS,
            [(ids["board"][name], name, *written_board(row, found)) for name, row in rows["board"].items()],
        ),
        (
            "small_rule",
            "id, name, kind, value",
            [
                (
                    ids["rule"][name],
                    name,
                    row["kind"],
                    str(found({1: "document"}.get(row["kind"], "tag"), row["value"])) if row["kind"] else row["value"],
                )
                for name, row in rows["rule"].items()
            ],
        ),
    ]


def _generic_references(made: Rows) -> list[_Table]:
    """A content type and an id beside each other."""
    ids, rows, found = made.ids, made.rows, _found(made)
    return [
        (
            "small_comment",
            "id, name, content_type_id, object_id",
            [
                (ids["comment"][name], name, made.types[row["about"][0]], found(*row["about"]))
                for name, row in rows["comment"].items()
            ],
        ),
        (
            "small_version",
            "id, name, content_type_id, object_id, content",
            [
                (
                    ids["version"][name],
                    name,
                    made.types[row["of"][0]],
                    found(*row["of"]),
                    json.dumps(_copy(row, found)),
                )
                for name, row in rows["version"].items()
            ],
        ),
        (
            "small_grant",
            "id, holder, content_type_id, object_pk",
            [
                (ids["grant"][name], row["grant"][0], made.types[row["grant"][1]], str(found(*row["grant"][1:])))
                for name, row in rows["grant"].items()
            ],
        ),
    ]


def _found(made: Rows) -> Callable[[str, str | None], int | None]:
    """The id of an object by its model and name; None for none."""
    return lambda model, name: None if name is None else made.id_of(model, name)


def _copy(version: Row, found: Callable[[str, str | None], int | None]) -> dict[str, Any]:
    """A document or note as Django serializes one: fields by their names."""
    model, name = version["of"]
    others = {other: found(other, one) for other, one in version["others"].items()}
    tags = [found("tag", tag) for tag in version["tags"]]
    copied = {"pk": found(model, name), "name": name}
    if model == "note":
        return copied | {"document_id": others["document"], "tag_ids": ", ".join(map(str, tags)), "text": "7"}
    return copied | {"parent": others.pop("document"), "tags": tags, **others}


def _those_above(nodes: Mapping[str, Row], name: str) -> list[str]:
    above = nodes[name]["parent"]
    return [] if above is None else [*_those_above(nodes, above), above]


def _paths(folders: Mapping[str, Row]) -> dict[str, tuple[str, int, int]]:
    """path, depth, numchild of each folder; parents come first."""
    found: dict[str, tuple[str, int]] = {}
    children: dict[str | None, int] = {}
    for name, row in folders.items():
        above, depth = found.get(row["parent"], ("", 0))
        children[row["parent"]] = children.get(row["parent"], 0) + 1
        found[name] = f"{above}{children[row['parent']]:04d}", depth + 1
    return {name: (path, depth, children.get(name, 0)) for name, (path, depth) in found.items()}


def _nested_numbers(categories: Mapping[str, Row]) -> dict[str, tuple[int, int, int, int]]:
    """left, right, tree, level of each node."""
    numbers: dict[str, tuple[int, int, int, int]] = {}

    def walk(name: str, left: int, tree: int, level: int) -> int:
        right = left + 1
        for child, row in categories.items():
            if row["parent"] == name:
                right = walk(child, right, tree, level + 1)
        numbers[name] = left, right, tree, level
        return right + 1

    roots = [name for name, row in categories.items() if row["parent"] is None]
    for tree, root in enumerate(roots, 1):
        walk(root, 1, tree, 0)
    return numbers


def _scan_paths(place: Place, made: Rows) -> dict[str, str]:
    return {
        name: [str(place.scans / row["path"]), row["path"], f"scans/{row['path']}"][row["convention"]]
        for name, row in made.rows["scan"].items()
    }


def _files(place: Place, made: Rows, system: str) -> dict[Path, str]:
    """Path -> what says whose file it is."""
    files = {place.media / "logo.txt": "the same everywhere"}
    for name, row in made.rows["document"].items():
        number = made.ids["document"][name]
        if row["file"]:
            files[place.media / row["file"]] = f"{system} file of {name}"
        if row["thumb"]:
            files[place.media / "thumbs" / f"{number:04}.webp"] = f"{system} thumb of {name}"
        for tag in row["pictures"]:
            files[place.media / "pages" / f"{number}-{made.ids['tag'][tag]}.png"] = f"{system} picture of {name}, {tag}"
    for name, row in made.rows["scan"].items():
        files[place.scans / row["path"]] = f"{system} scan {name}"
    return files
