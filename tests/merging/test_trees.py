"""Trees of django-treebeard and django-mptt, merged into others whose places are taken; said by these libraries themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from edms_tasks.databases import DatabaseAddress
from edms_tasks.settings import Settings
from edms_tasks.trees.nested_sets import NUMBERS, number_nodes
from tests.inventory.small_project import small_system
from tests.running import run_backup, run_merge

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("edms_asked_once")]

MODELS = """
from treebeard.mp_tree import MP_Node
from treebeard.ns_tree import NS_Node
from mptt.models import MPTTModel, TreeForeignKey
class Folder(MP_Node):
    name = models.CharField(max_length=40)
class Shelf(NS_Node):
    name = models.CharField(max_length=40, unique=True)
class Category(MPTTModel):
    name = models.CharField(max_length=40)
    parent = TreeForeignKey("self", models.CASCADE, null=True, related_name="children")
class Paper(models.Model):
    number = models.CharField(max_length=20, unique=True)
    folder = models.ForeignKey(Folder, models.PROTECT)
    category = models.ForeignKey(Category, models.PROTECT)
    shelf = models.ForeignKey(Shelf, models.PROTECT)
"""
MAKE = """
def make(names, folder=None, category=None, shelf=None):
    for name, below in names.items():
        one = folder.add_child(name=name) if folder else Folder.add_root(name=name)
        other = Category.objects.create(name=name, parent=category)
        third = Shelf.objects.get(pk=shelf.pk).add_child(name=name) if shelf else Shelf.add_root(name=name)
        Paper.objects.create(number=f"{prefix}{one.depth}{name}", folder=one, category=other, shelf=third)
        make(below, Folder.objects.get(pk=one.pk), Category.objects.get(pk=other.pk), third)
"""
SAID = """
import json
problems = [len(found) for found in Folder.find_problems()]
def place(node): return [one.name for one in node.get_ancestors()] + [node.name]
numbers = lambda: sorted(Category.objects.values_list("pk", "lft", "rght", "level"))
before = numbers(); papers = {p.number: [place(p.folder), place(p.category), place(p.shelf)] for p in Paper.objects.all()}
shelves = {"/".join(place(s)): [t.name for t in s.get_children()] for s in Shelf.objects.all()}
intervals = [(s.tree_id, s.lft, s.rgt, s.depth, s.get_descendant_count(), len(place(s))) for s in Shelf.objects.order_by("tree_id", "lft")]
sound = all(depth == deep and rgt - lft == 2 * below + 1 for _, lft, rgt, depth, below, deep in intervals)
sound = sound and len({n for t, lft, rgt, *_ in intervals for n in ((t, lft), (t, rgt))}) == 2 * len(intervals)
children = {"/".join(place(f)): [c.name for c in f.get_children()] for f in Folder.objects.all()}
categories = {"/".join(place(c)): [d.name for d in c.get_children()] for c in Category.objects.all()}
Category.objects.rebuild()
print(json.dumps({
    "problems": problems, "papers": papers, "children": children, "categories": categories, "shelves": shelves, "sound": sound,
    "rebuilt": before == numbers(),
}))
"""
MINE = {"archive": {"b": {}, "a": {"deep": {"deeper": {}}}, "same": {}}, "mine": {"x": {}}}
THEIRS = {"theirs": {"y": {}, "z": {}}, "archive": {"c": {}, "a": {"own": {}}}}


@dataclass(frozen=True)
class Site:
    """An EDMS with trees."""

    settings: Settings
    folder: Path

    def run(self, script: str) -> str:
        head = (
            "import os, sys; sys.path.insert(0, '.'); os.environ['DJANGO_SETTINGS_MODULE'] = 'small_settings'\n"
            "import django; django.setup()\nfrom small.models import *\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", head + script], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.splitlines()[-1] if done.stdout.splitlines() else ""

    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(SAID))
        return found


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("trees")
    more = 'INSTALLED_APPS += ["treebeard", "mptt"]\n'
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").create_database("trees")
        address = DatabaseAddress.from_url(url)
        more += (
            f'DATABASES["default"] = {{"ENGINE": "django.db.backends.postgresql", "NAME": {address.name!r}, '
            f'"USER": {address.user!r}, "PASSWORD": {address.password.get_secret_value()!r}, "HOST": {address.host!r}, '
            f'"PORT": {str(address.port or "")!r}}}\n'
        )
    settings = small_system(folder, MODELS, f"prefix = 'm'\n{MAKE}\nmake({MINE})", settings=more)
    return Site(settings, folder / "project")


def test_nodes_are_added_below_their_parents_and_both_trees_are_sound(site: Site) -> None:
    mine = site.said()
    snapshot = run_backup(site.settings).snapshot_id
    clean = "Paper.objects.all().delete(); Folder.objects.all().delete(); Category.objects.all().delete(); Shelf.objects.all().delete()"
    site.run(f"{clean}\nprefix = 't'\n{MAKE}\nmake({THEIRS})")
    theirs = site.said()

    result = run_merge(site.settings, snapshot=snapshot)

    assert result.plan.conflicts == ()
    now = site.said()
    assert now["problems"] == [0, 0, 0, 0, 0]
    assert now["rebuilt"]
    assert now["sound"]
    assert now["papers"] == {**theirs["papers"], **mine["papers"]}
    # What was there keeps its order, and what is new comes behind it in the order it had.
    expected = {
        "archive": ["c", "a", "b", "same"],
        "archive/a": ["own", "deep"],
        "archive/a/deep": ["deeper"],
        "mine": ["x"],
    }
    assert {path: now["children"][path] for path in expected} == expected
    assert {path: now["categories"][path] for path in expected} == expected
    assert {path: now["shelves"][path] for path in expected} == expected
    assert sorted(now["children"]) == sorted({*mine["children"], *theirs["children"]})
    assert any("Folder is a tree" in note for note in result.notes)
    assert run_merge(site.settings, snapshot=snapshot, dry_run=True).plan.writes == 0


@pytest.mark.long
def test_a_broken_tree_is_a_conflict(site: Site) -> None:
    snapshot = run_backup(site.settings).snapshot_id
    site.run("Paper.objects.filter(folder__name='deeper').delete(); Folder.objects.filter(name='deeper').delete()")
    site.run("Folder.objects.filter(name='archive').update(numchild=7)")

    result = run_merge(site.settings, snapshot=snapshot, dry_run=True)

    assert [(one.code, one.model) for one in result.plan.conflicts] == [("tree-broken", "small.Folder")]


def test_nodes_of_nested_sets_under_another_parent_are_a_conflict(site: Site) -> None:
    snapshot = run_backup(site.settings).snapshot_id
    site.run("Shelf.objects.get(name='deep').move(Shelf.objects.get(name='mine'), 'first-child')")

    result = run_merge(site.settings, snapshot=snapshot, dry_run=True)

    assert ("tree-moved", "small.Shelf", 1) in [(one.code, one.model, one.count) for one in result.plan.conflicts]
    kept = run_merge(site.settings, snapshot=snapshot, dry_run=True, on_conflict="keep")
    assert [one for one in kept.plan.conflicts if one.model == "small.Shelf"] == []


def test_a_node_that_becomes_a_root_gets_a_tree_of_its_own() -> None:
    nodes = """(VALUES ('root', NULL, 4, 1, false), ('freed', NULL, NULL, 2, false), ('below', 'freed', NULL, 3, true),
        ('new', NULL, NULL, 1, true)) nodes(id, parent, tree, sort, is_new)"""
    with duckdb.connect() as cursor:
        lost = number_nodes(cursor, nodes)
        found = cursor.execute(f'SELECT id, tree, "left", "right" FROM {NUMBERS} ORDER BY tree, "left"').fetchall()

    assert lost == 0
    assert found == [("root", 4, 1, 2), ("freed", 5, 1, 4), ("below", 5, 2, 3), ("new", 6, 1, 2)]
