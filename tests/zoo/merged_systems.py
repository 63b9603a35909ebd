"""Two systems to merge, with random rows, ids and files: what each trait of hidden references and files has in them.

Everything is known by name. A system is `Rows`: for each model name -> row, in which references are names too. `written_systems.py`
writes it with ids into the database and the folders, `references_by_hand.py` reads it back. A reference to a name that is none of the
system's rows is written as an id that no row has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.zoo import boards

MODELS = f"""
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
class Tag(models.Model):
    name = models.CharField(max_length=20, unique=True)
class Folder(models.Model):      # a materialised path, by its columns
    path = models.CharField(max_length=255, unique=True)
    depth = models.PositiveIntegerField()
    numchild = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=20)
class Category(models.Model):    # nested sets with a parent
    name = models.CharField(max_length=20, unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True)
    lft = models.PositiveIntegerField()
    rght = models.PositiveIntegerField()
    tree_id = models.PositiveIntegerField()
    level = models.PositiveIntegerField()
    above = models.CharField(max_length=200, default="")  # ids of those above it, which the EDMS computes
class Shelf(models.Model):       # nested sets without a parent
    name = models.CharField(max_length=20, unique=True)
    lft = models.PositiveIntegerField()
    rgt = models.PositiveIntegerField()
    tree_id = models.PositiveIntegerField()
    depth = models.PositiveIntegerField()
class Document(models.Model):
    name = models.CharField(max_length=20, unique=True)
    file = models.FileField(upload_to="documents", max_length=200, blank=True)
    parent = models.ForeignKey("self", models.SET_NULL, null=True)
    folder = models.ForeignKey(Folder, models.SET_NULL, null=True)
    category = models.ForeignKey(Category, models.SET_NULL, null=True)
    shelf = models.ForeignKey(Shelf, models.SET_NULL, null=True)
    tags = models.ManyToManyField(Tag)
class Page(models.Model):        # known by its document and a number
    document = models.ForeignKey(Document, models.CASCADE)
    number = models.IntegerField()
    class Meta: unique_together = [("document", "number")]
class Note(models.Model):
    name = models.CharField(max_length=20, unique=True)
    document_id = models.IntegerField(null=True)
    tag_ids = models.CharField(max_length=200)
    label = models.CharField(max_length=200)
    pair = models.CharField(max_length=60)
    page_ref = models.IntegerField(null=True)
    body = models.JSONField()
    text = models.TextField()
class Version(models.Model):     # a row's serialized copy, with the ids that it had
    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    of = GenericForeignKey("content_type", "object_id")
    content = models.JSONField()
class Rule(models.Model):        # what value is depends on kind
    name = models.CharField(max_length=20, unique=True)
    kind = models.IntegerField()
    value = models.CharField(max_length=20)
class Comment(models.Model):
    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.PositiveIntegerField()
    about = GenericForeignKey("content_type", "object_id")
class Grant(models.Model):       # a generic pair in a unique constraint
    holder = models.CharField(max_length=20)
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_pk = models.CharField(max_length=40)
    class Meta: unique_together = [("holder", "content_type", "object_pk")]
class Scan(models.Model):        # a file outside MEDIA_ROOT, by three conventions
    name = models.CharField(max_length=20, unique=True)
    path = models.CharField(max_length=300)
{boards.MODELS}"""
SETTINGS = """
MEDIA_ROOT = BASE / "media"
DATABASES["default"]["NAME"] = BASE / "media" / "db.sqlite3"
(BASE / "media").mkdir(exist_ok=True)
"""

DECLARED: dict[str, dict[str, Any]] = {
    "document_id": {"column": "small.Note.document_id", "target": "small.Document"},
    "tag_ids": {"column": "small.Note.tag_ids", "target": "small.Tag", "separator": ","},
    "label": {"column": "small.Note.label", "target": "small.Document", "pattern": "document_%d"},
    "pair": {"column": "small.Note.pair", "target": ["small.Document", "small.Tag"], "pattern": "%d-%d"},
    "page_ref": {"column": "small.Note.page_ref", "target": "small.Page"},
    "body documents": {"column": "small.Note.body", "target": "small.Document", "json": "$..document_id"},
    "body tags": {"column": "small.Note.body", "target": "small.Tag", "json": "$..tag_ids[*]"},
    "body pairs": {
        "column": "small.Note.body", "json": "$..[?@.object]", "content_type": "type", "object_id": "object",
        "target": ["small.Document", "small.Tag"],
    },
    "text": {"column": "small.Note.text", "target": "small.Document", "tag": '<a linktype="document" id="%d">'},
    "copies": {"column": "small.Version.content", "copy_of": "content_type"},
    "rule documents": {"column": "small.Rule.value", "target": "small.Document", "where": {"kind": 1}},
    "rule tags": {"column": "small.Rule.value", "target": "small.Tag", "where": {"kind": [2, 3]}},
    "thumbs": {"files": "media", "name": "thumbs/{pk:04}.webp", "target": "small.Document"},
    "pages": {"files": "media", "name": "pages/{pk}-*.png", "target": "small.Document"},
    "pages' tags": {"files": "media", "name": "pages/*-{pk}.png", "target": "small.Tag"},
    **boards.DECLARED,
}  # fmt: skip
"""What the settings say of the models, by a name of ours."""
TELLING = (
    "document_id",
    "tag_ids",
    "label",
    "page_ref",
    "body documents",
    "body tags",
    "text",
    "thumbs",
    *boards.TELLING,
)
"""Declarations of what is found undeclared, because its name speaks of its model."""

DERIVED = ("small.Category.above",)
TABLES = (
    "tag", "folder", "category", "shelf", "memo", "document", "document_tags", "page", "note", "rule", "comment", "version", "grant",
    "scan", "board", "summary",
)  # fmt: skip
TREES = ("folder", "category", "shelf")
NOBODY = "nobody"
_SHELVES = {"s0": None, "s1": "s0", "s2": "s0", "s3": "s2", "s4": None, "s5": "s4"}
"""Shelf -> the one above it in every system: a node of nested sets that moved is a conflict."""
_MOST_ID = 40

Row = dict[str, Any]


@dataclass
class Rows:
    """A system: for each model name -> row, and the ids of names."""

    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    ids: dict[str, dict[str, int]] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)  # model -> id of its content type

    def id_of(self, model: str, name: str) -> int:
        """The id of a row; one that no row has for a name that is none."""
        return self.ids[model].get(name, _MOST_ID + 50)


def _some(model: str, fewest: int = 0, most: int = 4) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([f"{model[0]}{n}" for n in range(6)]), min_size=fewest, max_size=most, unique=True)


@st.composite
def systems(draw: st.DrawFn, *, dangling: bool, full: bool = False) -> Rows:
    """One system; `dangling`: some ids in it are those of no row; `full`: it has rows of each kind, and shares some with any other."""
    made = Rows()
    for model in ("tag", "document", "page", "note", "rule", "comment", "version", "scan", "board", *TREES):
        names = draw(_some(model, fewest=4 if full else 1 if model in ("document", "tag") else 0))
        if model == "shelf":
            names = [one for one in _SHELVES if any(one in _with_those_above(name) for name in names)]
        made.rows[model] = {name: {} for name in names}
        numbers = draw(
            st.lists(st.integers(1, _MOST_ID), min_size=len(names), max_size=len(names), unique=True), label=model
        )
        made.ids[model] = dict(zip(names, numbers, strict=True))
    made.types = dict(
        zip(("document", "tag", "page", "note", "memo"), draw(st.permutations([70, 71, 72, 73, 74])), strict=True)
    )
    memos = draw(_those(made, "document"))
    made.rows["memo"] = {name: {} for name in memos}
    made.rows["summary"] = {name: {} for name in draw(_those(made, "document"))}
    made.ids["memo"] = {name: made.ids["document"][name] for name in memos}

    def one(model: str) -> str:
        names = [*made.rows[model], *([NOBODY] if dangling else [])]
        return draw(st.sampled_from(names)) if names else NOBODY

    def maybe(model: str) -> str | None:
        return draw(st.sampled_from([None, *made.rows[model]]))

    def thing() -> list[str]:
        model = draw(st.sampled_from(["document", "tag", *(["memo"] if memos else [])]))
        return [model, one(model)]

    def files(name: str, system_of: str) -> str:
        return draw(st.sampled_from(["", f"{system_of}/same.pdf", f"{system_of}/{name}.pdf"]))

    _grow_trees(draw, made)
    taken: set[str] = set()
    for name, row in made.rows["document"].items():
        path = files(name, "documents")
        row["file"] = path if path not in taken else ""
        taken.add(row["file"])
        row |= {
            "folder": maybe("folder"),
            "category": maybe("category"),
            "shelf": maybe("shelf"),
            "tags": draw(_those(made, "tag")),
        }
        above = [other for other in made.rows["document"] if other < name]
        row["parent"] = draw(st.sampled_from([None, *above]))
        row["thumb"] = draw(st.booleans())
        row["pictures"] = draw(_those(made, "tag"))  # files that are named by the document and a tag
    made.rows["page"] = {
        f"{name}/{number}": {"document": name, "number": number}
        for name in made.rows["document"]
        for number in draw(st.lists(st.integers(1, 3), max_size=2, unique=True))
    }
    numbers = draw(st.permutations(range(1, _MOST_ID)))
    made.ids["page"] = dict(zip(made.rows["page"], numbers, strict=False))
    for row in made.rows["note"].values():
        row["document_id"] = one("document")
        row["tag_ids"] = [one("tag") for _ in range(draw(st.integers(0, 3)))]
        row["label"] = [one("document") for _ in range(draw(st.integers(0, 2)))]
        row["pair"] = draw(st.sampled_from([None, (one("document"), one("tag"))]))
        row["page_ref"] = one("page") if made.rows["page"] else None
        row["body"] = draw(_body(made, one, thing))
        row["text"] = [one("document") for _ in range(draw(st.integers(0, 2)))]
    for row in made.rows["rule"].values():
        row["kind"] = draw(st.integers(0, 3))
        row["value"] = one("document") if row["kind"] == 1 else one("tag") if row["kind"] in (2, 3) else "7"
    named = [NOBODY] if dangling else []
    for row in made.rows["board"].values():
        row |= draw(boards.boards([*made.rows["document"], *named], [*made.rows["tag"], *named], [*memos, *named]))
    for row in made.rows["comment"].values():
        row["about"] = thing()
    for row in made.rows["version"].values():
        model = draw(st.sampled_from(["document", *(["note"] if made.rows["note"] else [])]))
        row["of"] = [model, one(model)]
        row["tags"] = [one("tag") for _ in range(draw(st.integers(1 if full else 0, 2)))]
        row["others"] = {name: maybe(name) for name in ("document", *TREES)}
    pairs = draw(st.lists(st.tuples(st.sampled_from("xy"), st.sampled_from(["document", "tag"])), max_size=3))
    grants = [(holder, model, draw(st.sampled_from([*made.rows[model]]))) for holder, model in pairs]
    made.rows["grant"] = {" ".join(grant): {"grant": grant} for grant in grants}
    made.ids["grant"] = {name: number for number, name in enumerate(made.rows["grant"], draw(st.integers(1, 5)))}
    for name, row in made.rows["scan"].items():
        row["convention"] = draw(st.integers(0, 2))
        path = draw(st.sampled_from(["deep/same.tif", f"deep/{name}.tif"]))
        row["path"] = path if path not in taken else f"deep/{name}.tif"
        taken.add(row["path"])
    return made


def _those(made: Rows, model: str) -> st.SearchStrategy[list[str]]:
    names = [*made.rows[model]]
    return st.lists(st.sampled_from(names), max_size=3, unique=True) if names else st.just([])


def _with_those_above(shelf: str | None) -> list[str]:
    return [] if shelf is None else [shelf, *_with_those_above(_SHELVES[shelf])]


def _grow_trees(draw: st.DrawFn, made: Rows) -> None:
    """Give every node a parent before it in the list, or none."""
    made.rows["shelf"] = {name: {"parent": _SHELVES[name]} for name in made.rows["shelf"]}
    for model in ("folder", "category"):
        names = [*made.rows[model]]
        for place, name in enumerate(names):
            made.rows[model][name]["parent"] = draw(st.sampled_from([None, *names[:place]]))


@st.composite
def _body(draw: st.DrawFn, made: Rows, one: Any, thing: Any) -> Any:
    """JSON of random depth; references are {"@document": name} and the like."""
    leaves = st.one_of(
        st.sampled_from([*made.rows["document"]]).map(lambda name: {"document_id": ["@document", name]}),
        st.lists(st.sampled_from([*made.rows["tag"]]), max_size=2).map(
            lambda names: {"tag_ids": [["@tag", name] for name in names]}
        ),
        st.sampled_from([("document", name) for name in made.rows["document"]] + [("tag", n) for n in made.rows["tag"]]).map(
            lambda pair: {"type": ["@type", pair[0]], "object": [f"@{pair[0]}", pair[1]]}
        ),
        st.sampled_from([{"count": 7}, "7", None, {"title": 'say "7"'}]),
    )  # fmt: skip
    deep = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b c", "é"]), inner, max_size=2)
        ),
        max_leaves=5,
    )
    return {"all": draw(deep)}
