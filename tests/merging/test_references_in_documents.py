"""Ids in nested JSON, rich text, copies of rows and conditional columns: after a merge each leads to what it led to.

Rows are written by functions of the ids that names have. What the target must hold after the merge is what the same functions
write with the ids that the names have there, byte for byte.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.settings import Settings, settings_from
from flows.merge import MergeResult
from tests.inventory.small_project import small_project
from tests.running import run_backup, run_diff, run_merge

pytestmark = pytest.mark.usefixtures("edms_asked_once")

MODELS = """
from django.contrib.contenttypes.fields import GenericRelation
from django.contrib.contenttypes.models import ContentType
class ParentalKey(models.ForeignKey): pass
class ParentalManyToManyField(models.ManyToManyField): pass
class Image(models.Model):
    name = models.CharField(max_length=20, unique=True)
class Tag(models.Model):
    name = models.CharField(max_length=20, unique=True)
class Revision(models.Model):
    name = models.CharField(max_length=20, unique=True)
    content_type = models.ForeignKey(ContentType, models.CASCADE, db_constraint=False)
    object_id = models.CharField(max_length=40)
    content = models.JSONField()
class Page(models.Model):
    name = models.CharField(max_length=20, unique=True)
    cover = models.ForeignKey(Image, models.CASCADE, null=True, db_constraint=False)
class HomePage(Page):
    body = models.JSONField(default=list)
    intro = models.TextField()
    tags = ParentalManyToManyField(Tag)
    revisions = GenericRelation(Revision)
class Link(models.Model):
    name = models.CharField(max_length=20, unique=True)
    page = ParentalKey(Page, models.CASCADE, related_name="links")
    image = models.ForeignKey(Image, models.CASCADE, db_constraint=False)
class Rule(models.Model):
    name = models.CharField(max_length=20, unique=True)
    rule_type = models.IntegerField()
    active = models.BooleanField()
    value = models.CharField(max_length=200, null=True)
    query = models.TextField()
    labels = models.JSONField(default=list)
    path = models.CharField(max_length=200)
    pair = models.CharField(max_length=20)
    pairs = models.JSONField(default=list)
    facts = models.JSONField(default=list)
class History(models.Model):
    name = models.CharField(max_length=20, unique=True)
    kind = models.IntegerField()
    content = models.JSONField()
"""

IMAGE, PAGE, TAG = ({"target": f"small.{name}"} for name in ("Image", "Page", "Tag"))
BODY = {"column": "small.HomePage.body"}
VALUE = {"column": "small.Rule.value"}
DECLARED: list[dict[str, Any]] = [
    BODY | IMAGE | {"json": '$..[?@.type == "image"].value'},
    BODY | PAGE | {"json": '$..[?type == "page"].value'},
    BODY | PAGE | {"json": '$..[?type == "text"].value', "tag": '<a linktype="page" id="%d">'},
    {"column": "small.HomePage.intro", "tag": '<a linktype="page" id="%d">'} | PAGE,
    {"column": "small.HomePage.intro", "tag": '<embed embedtype="image" id="%d"/>'} | IMAGE,
    {"column": "small.Revision.content", "copy_of": "content_type"},
    VALUE | IMAGE | {"where": {"rule_type": [0, 3]}},
    VALUE | PAGE | {"where": {"rule_type": 1, "active": True}},
    VALUE | TAG | {"where": {"rule_type": 2}, "separator": ","},
    {"column": "small.Rule.query", "json": '$..(?match(@[1], "[a-z_]+"))[0]'} | TAG,
    {"column": "small.Rule.query", "json": '$..(?@[1] == "contains")[2][*]'} | PAGE,
    {"column": "small.Rule.labels", "json": "$[*]", "pattern": "custom_field_%d"} | TAG,
    {"column": "small.Rule.path", "pattern": "originals/{pk:07}.pdf"} | IMAGE,
    {"column": "small.Rule.facts", "json": "$..all[*]", "content_type": "type", "object_id": "id"},
    {"column": "small.History.content", "copy_of": "small.Rule", "where": {"kind": 1}},
    {"column": "small.History.content", "copy_of": "small.Revision", "where": {"kind": 2}},
    {"column": "small.Rule.pair", "pattern": "%d-%d", "target": ["small.Image", "small.Tag"]},
    {"column": "small.Rule.pairs", "json": "$[*]", "pattern": "%d:{pk:03}", "target": ["small.Page", "small.Image"]},
]

# Beside the ids they hold numbers that are none, and that look like some.
DECOYS = ["HomePage.body", "HomePage.intro", "Revision.content", "Rule.value", "Rule.facts", "History.content"]

Names = dict[str, dict[str, int]]
HERE: Names = {
    "image": {"i1": 1, "i2": 2, "i3": 3},
    "tag": {"t1": 1, "t2": 2},
    "page": {"p1": 1, "p2": 2, "p3": 3},
    "link": {"l1": 1},
    "revision": {"r1": 1, "r2": 2},
    "rule": {"u1": 1, "u2": 2, "u3": 3, "u4": 4, "u5": 5, "u6": 6},
    "history": {"h1": 1, "h2": 2, "h3": 3},
    "type": {"homepage": 50, "tag": 51, "revision": 52},
}
THERE: Names = {
    "image": {"i9": 1, "i3": 2, "i8": 3},
    "tag": {"t9": 1, "t1": 2, "t8": 30},
    "page": {"p9": 1, "p8": 2, "p1": 3},
    "link": {"l9": 1},
    "revision": {"r9": 1},
    "rule": {"v1": 1, "v2": 2, "v3": 3, "v4": 4, "v5": 5, "v6": 6},
    "history": {"j1": 1, "j2": 2, "j3": 3},
    "type": {"homepage": 51, "tag": 52, "revision": 50},
}
PICTURES = {"here": ("i1", "i2", "i3", "p1", "p2", "t1", "t2"), "there": ("i9", "i8", "i9", "p9", "p8", "t9", "t8")}


@dataclass(frozen=True)
class Site:
    """The EDMS, whose rows each system replaces."""

    settings: Settings
    address: DatabaseAddress

    def execute(self, statement: str, rows: list[tuple[Any, ...]] | None = None) -> None:
        if self.address.engine == "sqlite":
            with closing(sqlite3.connect(self.address.name)) as lite, lite:
                lite.execute(statement) if rows is None else lite.executemany(statement, rows)
            return
        with psycopg.connect(self.address.url()) as connection, connection.cursor() as cursor:
            text = statement.replace("?", "%s").encode()
            cursor.execute(text) if rows is None else cursor.executemany(text, rows)

    def query(self, text: str) -> list[tuple[Any, ...]]:
        if self.address.engine == "sqlite":
            with closing(sqlite3.connect(self.address.name)) as lite:
                return lite.execute(text).fetchall()
        with psycopg.connect(self.address.url()) as connection:
            return connection.execute(text.encode()).fetchall()


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    address = DatabaseAddress(engine="sqlite", name=str(folder / "project" / "db.sqlite3"))
    more = ""
    if request.param == "postgresql":
        address = DatabaseAddress.from_url(
            request.getfixturevalue("postgres_server").create_database("references_in_documents")
        )
        more = (
            f'DATABASES["default"] = {{"ENGINE": "django.db.backends.postgresql", "NAME": {address.name!r}, '
            f'"USER": {address.user!r}, "PASSWORD": {address.password.get_secret_value()!r}, "HOST": {address.host!r}, '
            f'"PORT": {str(address.port or "")!r}}}\n'
        )
    project = small_project(folder / "project", MODELS, settings=more)
    settings = settings_from(
        {
            "edms": project.edms.model_dump(),
            "repository": {"url": str(folder / "repository")},
            "workdir": str(folder / "work"),
            "validate": {"django_check": False},
            "soft_references": DECLARED,
            "merge": {"not_references": [f"small.{name}" for name in DECOYS]},
        },
        where=folder / "edms-backup.toml",
    )
    return Site(settings, address)


@pytest.mark.long
def test_references_in_json_tags_and_texts_lead_to_the_same_rows_after_a_merge(site: Site) -> None:
    merged(site)

    now = names(site)
    assert stored(site) == as_kept(site, {**written(now, "there"), **written(now, "here")})
    assert set(now["image"]) == {"i1", "i2", "i3", "i8", "i9"} and now["image"]["i9"] == 1


@pytest.mark.long  # of fewer forms of references, the same is asked in test_keys_that_name_objects and in the zoo's test_merges
def test_a_second_merge_writes_nothing_and_a_diff_finds_the_same_rows_under_other_ids(site: Site) -> None:
    snapshot = merged(site)

    assert merge(site, snapshot, dry_run=True).plan.writes == 0
    difference = run_diff(site.settings, snapshot=snapshot).difference
    # Under other ids the rows of the snapshot say the same; what else is there is the target's own.
    assert [one for one in difference.tables if one.changed or one.removed] == []
    assert sum(one.other_ids for one in difference.tables) > 0


@pytest.mark.long
def test_a_selected_row_brings_the_rows_that_its_documents_refer_to(site: Site) -> None:
    fill(site, HERE, "here")
    snapshot = run_backup(site.settings).snapshot_id
    fill(site, THERE, "there")

    result = run_merge(site.settings, snapshot=snapshot, only=("small.Rule:u1",), with_dependents=True)

    assert result.done
    now = names(site)
    # The image of its value and its path, the tags and pages of its query: what the target lacked of them came too.
    assert set(now["image"]) == {"i8", "i9", "i3", "i2", "i1"}
    assert set(now["tag"]) == {"t1", "t2", "t8", "t9"}
    assert set(now["page"]) == {"p1", "p2", "p8", "p9"}
    assert set(now["rule"]) == {"u1", *THERE["rule"]}
    everything = {"page": {"p3": 0}, "link": {"l1": 0}, "revision": {"r1": 0, "r2": 0}, "history": HERE["history"]}
    known = {
        table: {**everything.get(table, {}), **dict.fromkeys(HERE["rule"], 0), **ids} for table, ids in now.items()
    }
    rule = ("rule", "u1")
    assert stored(site)[rule] == as_kept(site, {rule: written(known, "here")[rule]})[rule]


@pytest.mark.long  # of a backup, in soft/test_backup_and_restore
def test_ids_without_a_row_are_reported_in_every_form_of_reference(site: Site) -> None:
    fill(site, HERE, "here")
    site.execute("DELETE FROM small_image WHERE id = 2")

    manifest = run_backup(site.settings).manifest

    told = {one.subject: one.examples for one in manifest.findings if one.code == "dangling-reference"}
    assert told == {
        'small.HomePage.body $..[?@.type == "image"].value': ("2",),
        'small.HomePage.intro <embed embedtype="image" id="%d"/>': ("2",),
        "small.Revision.content copy of content_type: small.Image": ("2",),
        "small.Rule.value where rule_type = 0 or 3": ("2",),
        "small.Rule.path originals/{pk:07}.pdf": ("2",),
        "small.Rule.pair %d-%d (1)": ("2",),
        "small.Rule.pairs $[*] %d:{pk:03} (2)": ("2",),
        'small.Rule.facts $..all[*](?model(@.type, "small.image")).id': ("2",),
        "small.History.content copy of small.Rule: small.Image where kind = 1": ("2",),
        "small.Link.image_id": ("2",),
        "small.Page.cover_id": ("2",),
    }


def merged(site: Site) -> str:
    """Back up one system, make the other, merge; returns the snapshot's id."""
    fill(site, HERE, "here")
    snapshot = run_backup(site.settings)
    assert [one.subject for one in snapshot.manifest.findings if one.code == "dangling-reference"] == []
    fill(site, THERE, "there")
    result = merge(site, snapshot.snapshot_id)
    assert result.plan.conflicts == ()
    assert result.done
    return snapshot.snapshot_id


def merge(site: Site, snapshot: str, *, dry_run: bool = False) -> MergeResult:
    return run_merge(site.settings, snapshot=snapshot, dry_run=dry_run)


def fill(site: Site, ids: Names, system: str) -> None:
    """Replace all rows."""
    for table in ("link", "homepage_tags", "homepage", "page", "image", "tag", "revision", "rule", "history"):
        site.execute(f"DELETE FROM small_{table}")
    site.execute("DELETE FROM auth_permission")
    site.execute("DELETE FROM django_content_type")
    site.execute(
        "INSERT INTO django_content_type (id, app_label, model) VALUES (?, 'small', ?)",
        [(number, name) for name, number in ids["type"].items()],
    )
    for table in ("image", "tag"):
        site.execute(
            f"INSERT INTO small_{table} (id, name) VALUES (?, ?)", [(n, name) for name, n in ids[table].items()]
        )
    columns = {
        "page": "name, id, cover_id",
        "homepage": "page_ptr_id, body, intro",
        "link": "name, id, page_id, image_id",
        "revision": "name, id, content_type_id, object_id, content",
        "rule": "name, id, rule_type, active, value, query, labels, path, pair, pairs, facts",
    }
    columns["history"] = "name, id, kind, content"
    rows = written(ids, system)
    for table, listed in columns.items():
        here = [
            (*(() if table == "homepage" else (name,)), *row) for (held, name), row in rows.items() if held == table
        ]
        marks = ", ".join("?" for _ in listed.split(", "))
        site.execute(f"INSERT INTO small_{table} ({listed}) VALUES ({marks})", here)


def written(ids: Names, system: str) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What the rows of a system are with these ids, by table and name."""
    i1, i2, i3, p1, p2, t1, t2 = (
        ids[{"i": "image", "p": "page", "t": "tag"}[name[0]]][name] for name in PICTURES[system]
    )
    is_here = system == "here"
    body = [
        {"id": 1, "type": "image", "value": i1},
        {
            "type": "row",
            "value": [{"value": i2, "type": "image"}, {"type": "page", "value": p2}, {"type": "n", "value": 1}],
        },
        {"type": "text", "value": f'<p>é "1" <a id=\'{p2}\' class="x"  linktype="page">1</a> <a id="1">2</a></p>'},
    ]
    intro = f'<A LINKTYPE="page" id="{p1}">1</A><embed alt="1" id="{i2}" embedtype=\'image\'/> id="1"'
    page, link = ("p1", "l1") if is_here else ("p9", "l9")
    copy = {
        "pk": p1, "name": page, "cover": i1, "body": json.dumps(body), "intro": intro, "tags": [t2, t1],
        "links": [{"pk": ids["link"][link], "name": "1", "page": p1, "image": i2}], "count": 1, "other": {"pk": 1},
    }  # fmt: skip
    query = json.dumps(["AND", [[t2, "exists", True], ["OR", [[t1, "in", [1, 2, 3]], [t2, "contains", [p1, p2]]]]]])
    rules = [
        (0, True, str(i2)), (3, False, str(i3)), (1, True, str(p2)), (1, False, "1"), (2, True, f"{t1}, {t2}"), (9, True, "1"),
    ]  # fmt: skip
    pages = {"p1": (p1, i2), "p2": (p2, None), "p3": (ids["page"].get("p3"), i3)}
    if not is_here:
        pages = {"p9": (p1, i1), "p8": (p2, None)}
        if "p1" in ids["page"] and "p2" not in ids["page"]:
            pages["p1"] = (ids["page"]["p1"], None)
    made: dict[tuple[str, str], tuple[Any, ...]] = {("page", name): row for name, row in pages.items()}
    made["homepage", page] = (p1, json.dumps(body), intro)
    made["link", link] = (ids["link"][link], p1, i2)
    revision = "r1" if is_here else "r9"
    kind = ids["type"]
    made["revision", revision] = (ids["revision"][revision], kind["homepage"], str(p1), json.dumps(copy))
    if is_here:  # of a model whose copies nobody declares
        made["revision", "r2"] = (ids["revision"]["r2"], kind["tag"], str(t1), json.dumps({"pk": 1, "cover": 1}))
    for number, (rule_type, active, value) in enumerate(rules, 1):
        name = f"{'u' if is_here else 'v'}{number}"
        labels = json.dumps([f"custom_field_{t2}", "custom_field_x 1", 1])
        path = f"originals/{i2:07}.pdf"
        facts = json.dumps({"a": {"all": [
            {"type": kind["tag"], "id": t2}, {"id": str(p1), "type": str(kind["homepage"])},
            {"type": "small.tag", "id": t1}, {"type": ["small", "image"], "id": i2}, {"type": "none.such", "id": 1}, 1,
        ]}})  # fmt: skip
        pairs = json.dumps([f"{p1}:{i1:03}", f"{p2}:{i2:03} 1:1"])
        made["rule", name] = (
            ids["rule"][name],
            rule_type,
            active,
            value,
            query,
            labels,
            path,
            f"{i2}-{t1}",
            pairs,
            facts,
        )
    copies = [
        (1, {"pk": ids["rule"]["u1" if is_here else "v1"], "rule_type": 3, "value": i2, "path": "1"}),
        (1, {"pk": ids["rule"]["u2" if is_here else "v2"], "rule_type": 1, "active": False, "value": "1"}),
        (2, {"pk": ids["revision"][revision], "content_type": kind["homepage"], "object_id": str(p1), "count": 1}),
    ]
    for number, (sort, copied) in enumerate(copies, 1):
        name = f"{'h' if is_here else 'j'}{number}"
        made["history", name] = (ids["history"][name], sort, json.dumps(copied))
    return made


def stored(site: Site) -> dict[tuple[str, str], tuple[Any, ...]]:
    """All rows by table and name, as `written` has them."""
    queries = {
        "page": "name, id, cover_id FROM small_page",
        "homepage": "name, page_ptr_id, body, intro FROM small_homepage JOIN small_page ON id = page_ptr_id",
        "link": "name, id, page_id, image_id FROM small_link",
        "revision": "name, id, content_type_id, object_id, content FROM small_revision",
        "history": "name, id, kind, content FROM small_history",
        "rule": "name, id, rule_type, active, value, query, labels, path, pair, pairs, facts FROM small_rule",
    }
    return {(table, name): tuple(row) for table, text in queries.items() for name, *row in site.query(f"SELECT {text}")}


def as_kept(site: Site, rows: dict[tuple[str, str], tuple[Any, ...]]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """The rows as the engine gives them back: PostgreSQL keeps JSON, and no text of it."""
    if site.address.engine == "sqlite":
        return rows
    documents = {"homepage": (1,), "revision": (3,), "rule": (5, 8, 9), "history": (2,)}
    return {
        (table, name): tuple(
            json.loads(value) if position in documents.get(table, ()) else value for position, value in enumerate(row)
        )
        for (table, name), row in rows.items()
    }


def names(site: Site) -> Names:
    """The ids that names have now."""
    found = {
        table: {str(name): int(number) for name, number in site.query(f"SELECT name, id FROM small_{table}")}
        for table in ("image", "tag", "page", "link", "revision", "rule", "history")
    }
    types = site.query("SELECT model, id FROM django_content_type")
    return found | {"type": {str(name): int(number) for name, number in types}}
