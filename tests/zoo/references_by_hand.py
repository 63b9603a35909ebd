"""What the systems of `merged_systems.py` say, by names: read with SQL, json and regular expressions alone.

Nothing of the product is used, and nothing of what wrote the rows: each reference is followed as the EDMS would follow it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.zoo.boards_by_hand import READ, board_said
from tests.zoo.system_database import Connected, connected

Said = dict[str, dict[str, Any]]
"""model -> name -> what its row says."""

NO_ROW = "no row"


def said_in(database: str, media: Path, scans: Path) -> Said:
    """Everything that the rows say; ids as names, files as their contents."""
    with connected(database) as connection:
        return _Reader(connection, media, scans).all()


class _Reader:
    def __init__(self, connection: Connected, media: Path, scans: Path) -> None:
        self._query = connection.execute
        self._media, self._scans = media, scans
        names = {
            model: dict(self._query(f"SELECT id, name FROM small_{model}"))
            for model in (
                "tag",
                "document",
                "folder",
                "category",
                "shelf",
                "note",
                "rule",
                "comment",
                "version",
                "scan",
                "board",
            )
        }
        names["page"] = {
            number: f"{names['document'].get(document, NO_ROW)}/{page}"
            for number, document, page in self._query("SELECT id, document_id, number FROM small_page")
        }
        names["memo"] = {
            number: names["document"].get(number, NO_ROW)
            for (number,) in self._query("SELECT document_ptr_id FROM small_memo")
        }
        self._names: dict[str, dict[int, str]] = names
        self._types = dict(self._query("SELECT id, model FROM django_content_type"))

    def all(self) -> Said:
        return {
            "tag": {name: {} for name in self._names["tag"].values()},
            "folder": self._folders(),
            "category": self._categories(),
            "shelf": self._shelves(),
            "document": self._documents(),
            "page": {name: {} for name in self._names["page"].values()},
            "note": self._notes(),
            "rule": self._rules(),
            "comment": {
                name: {"about": self._thing(kind, number)}
                for name, kind, number in self._query("SELECT name, content_type_id, object_id FROM small_comment")
            },
            "version": self._versions(),
            "grant": {
                f"{holder} {' '.join(self._thing(kind, int(number)))}": {}
                for holder, kind, number in self._query("SELECT holder, content_type_id, object_pk FROM small_grant")
            },
            "memo": {
                self._names["document"][number]: {"subject": subject}
                for number, subject in self._query("SELECT document_ptr_id, subject FROM small_memo")
            },
            "summary": {
                self._names["document"].get(number, NO_ROW): {"text": text}
                for number, text in self._query("SELECT document_ref, text FROM small_summary")
            },
            "board": {name: board_said(tuple(row), self._name) for name, *row in self._query(READ)},
            "scan": {
                name: {"content": self._scan(path)} for name, path in self._query("SELECT name, path FROM small_scan")
            },
        }

    def _name(self, model: str, number: int | None) -> str | None:
        return None if number is None else self._names[model].get(number, NO_ROW)

    def _thing(self, kind: int, number: int) -> tuple[str, str]:
        model = self._types.get(kind, NO_ROW)
        return model, self._names.get(model, {}).get(number, NO_ROW)

    def _folders(self) -> dict[str, Any]:
        """Each folder by the names above it; counts and depths must be those of the paths."""
        rows = {
            path: (depth, children, name)
            for path, depth, children, name in self._query("SELECT path, depth, numchild, name FROM small_folder")
        }
        found: dict[str, Any] = {}
        for path, (depth, children, name) in rows.items():
            above = [rows[path[:end]][2] if path[:end] in rows else NO_ROW for end in range(4, len(path), 4)]
            counted = sum(len(other) == len(path) + 4 and other.startswith(path) for other in rows)
            sound = depth * 4 == len(path) and children == counted
            found["/".join([*above, name])] = {"sound": sound}
        return found

    def _categories(self) -> dict[str, Any]:
        rows = {
            number: (name, parent, left, right, tree, level)
            for number, name, parent, left, right, tree, level in self._query(
                "SELECT id, name, parent_id, lft, rght, tree_id, level FROM small_category"
            )
        }
        above = dict(self._query("SELECT name, above FROM small_category"))
        found = {}
        for name, parent, left, right, tree, level in rows.values():
            enclosing = [other for other, _, l, r, t, _ in rows.values() if t == tree and l < left and r > right]  # noqa: E741
            sound = len(enclosing) == level and (parent is None or rows[parent][0] in enclosing) and left < right
            alone = sum((t, l) == (tree, left) for _, _, l, _, t, _ in rows.values()) == 1  # noqa: E741
            found[name] = {
                "parent": None if parent is None else rows[parent][0],
                "sound": sound and alone,
                "above": above[name],
            }
        return found

    def _shelves(self) -> dict[str, Any]:
        """Each shelf by the names of those that enclose it; numbers must be used once, and depths be those of the intervals."""
        rows = [*self._query("SELECT name, lft, rgt, tree_id, depth FROM small_shelf")]
        numbers = [(tree, number) for _, left, right, tree, _ in rows for number in (left, right)]
        found: dict[str, Any] = {}
        for name, left, right, tree, depth in rows:
            above = sorted(
                (left_, other)
                for other, left_, right_, tree_, _ in rows
                if tree_ == tree and left_ < left and right_ > right
            )
            path = "/".join([*(other for _, other in above), name])
            sound = depth == len(above) + 1 and left < right and numbers.count((tree, left)) == 1
            found[path] = {"sound": sound and path not in found}
        return found

    def _versions(self) -> dict[str, Any]:
        found = {}
        for name, kind, number, text in self._query(
            "SELECT name, content_type_id, object_id, CAST(content AS text) FROM small_version"
        ):
            content = json.loads(text)
            of, called = self._thing(kind, number)
            tags = content["tags"] if of == "document" else [int(tag) for tag in content["tag_ids"].split(",") if tag]
            found[name] = {
                "of": (of, called),
                "pk": self._name(of, content["pk"]),
                "tags": [self._name("tag", tag) for tag in tags],
                "document": self._name("document", content["parent" if of == "document" else "document_id"]),
                "trees": [self._name(tree, content.get(tree)) for tree in ("folder", "category", "shelf")],
            }
        return found

    def _folder_name(self, number: int | None) -> str | None:
        return None if number is None else self._names["folder"].get(number, NO_ROW)

    def _documents(self) -> dict[str, Any]:
        tags: dict[int, list[str]] = {}
        for document, tag in self._query("SELECT document_id, tag_id FROM small_document_tags"):
            tags.setdefault(document, []).append(str(self._name("tag", tag)))
        found = {}
        for number, name, file, parent, folder, category, shelf in self._query(
            "SELECT id, name, file, parent_id, folder_id, category_id, shelf_id FROM small_document"
        ):
            pictures = {}
            for path in (self._media / "pages").glob(f"{number}-*.png"):
                tag = int(path.stem.partition("-")[2])
                pictures[str(self._name("tag", tag))] = path.read_text(encoding="utf-8")
            found[name] = {
                "file": self._content(self._media / file) if file else None,
                "thumb": self._content(self._media / "thumbs" / f"{number:04}.webp"),
                "pictures": pictures,
                "parent": self._name("document", parent),
                "folder": self._name("folder", folder),
                "category": self._name("category", category),
                "shelf": self._name("shelf", shelf),
                "tags": sorted(tags.get(number, [])),
            }
        return found

    def _notes(self) -> dict[str, Any]:
        found = {}
        for name, document, tags, label, pair, page, body, text in self._query(
            "SELECT name, document_id, tag_ids, label, pair, page_ref, CAST(body AS text), text FROM small_note"
        ):
            first, _, second = pair.partition("-")
            found[name] = {
                "document_id": self._name("document", document),
                "tag_ids": [self._name("tag", int(tag)) for tag in tags.split(",") if tag],
                "label": [self._name("document", int(one)) for one in re.findall(r"document_(\d+)", label)],
                "pair": (self._name("document", int(first)), self._name("tag", int(second))) if pair else None,
                "page_ref": self._name("page", page),
                "body": self._named(json.loads(body)),
                "text": [self._name("document", int(one)) for one in re.findall(r'<a id="(\d+)"', text)],
                "rest": re.sub(r"\d+(?=\")", "", text),
            }
        return found

    def _named(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._named(one) for one in node]
        if not isinstance(node, dict):
            return node
        if "object" in node:
            return {"about": list(self._thing(node["type"], node["object"]))}
        named = {key: self._named(value) for key, value in node.items()}
        if "document_id" in node:
            named["document_id"] = self._name("document", node["document_id"])
        if "tag_ids" in node:
            named["tag_ids"] = [self._name("tag", tag) for tag in node["tag_ids"]]
        return named

    def _rules(self) -> dict[str, Any]:
        models = {1: "document", 2: "tag", 3: "tag"}
        return {
            name: {"kind": kind, "value": self._name(models[kind], int(value)) if kind in models else value}
            for name, kind, value in self._query("SELECT name, kind, value FROM small_rule")
        }

    def _scan(self, path: str) -> str | None:
        tried = [Path(path)] if path.startswith("/") else [self._scans / path, self._scans.parent / path]
        return next((content for one in tried if (content := self._content(one)) is not None), None)

    @staticmethod
    def _content(path: Path) -> str | None:
        return path.read_text(encoding="utf-8") if path.is_file() else None
