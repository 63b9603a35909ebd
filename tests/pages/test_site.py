"""The pages as a site: complete, without a dead link, and nothing of it is loaded from elsewhere, so that it works without a network."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from release import changelog

ROOT = Path(__file__).resolve().parent.parent.parent
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
    "embed": "src",
}
# Of a <link>, what only names another page is not loaded.
NAMES_A_PAGE = {"index", "search", "next", "prev", "author", "genindex", "canonical"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = _build(ROOT, folder)
    assert built.returncode == 0, built.stderr[-4000:]
    return folder / "site"


class _Page(HTMLParser):
    """What a page loads, what it links to, and the anchors that it has."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag in LOADED and LOADED[tag] in found:
            self.loads.append(found[LOADED[tag]])
        if tag == "link" and found.get("rel", "") not in NAMES_A_PAGE:
            self.loads.append(found.get("href", ""))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        self.loads += re.findall(r"url\(([^)]+)\)", found.get("style", ""))


@pytest.mark.long  # links of the pages themselves are asked in test_docs
def test_every_page_is_in_it(site: Path) -> None:
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "unreleased" not in page.parts]

    missing = [
        page.name
        for page in pages
        if page.name != "package-index.md" and not (site / page.relative_to(ROOT)).with_suffix(".html").is_file()
    ]

    assert len(pages) > 80
    assert not missing


@pytest.mark.long  # links of the pages themselves are asked in test_docs
def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    foreign = [(path.name, one) for path, page in _pages(site) for one in page.loads if _is_foreign(one)]
    styles = [
        (path.name, one)
        for path in site.rglob("*.css")
        for one in re.findall(r"@import\s+[\"']?([^\"';]+)|url\([\"']?([^)\"']+)", path.read_text(encoding="utf-8"))
        if any(_is_foreign(part) for part in one)
    ]
    # What a script would ask for: an address in it that is in no comment, and names no XML vocabulary.
    scripts = [
        (path.name, one)
        for path in site.rglob("*.js")
        for one in re.findall(r"""["'`](https?://[^"'`]+)["'`]""", path.read_text(encoding="utf-8"))
        if path.name != "searchindex.js" and "www.w3.org" not in one
    ]

    assert foreign == styles == scripts == []


@pytest.mark.long  # links of the pages themselves are asked in test_docs
def test_no_link_within_it_is_dead(site: Path) -> None:
    pages = dict(_pages(site))
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages.get(there)
            if not there.exists() or (
                parts.fragment and known is not None and unquote(parts.fragment) not in known.anchors
            ):
                dead.append(f"{path.relative_to(site)}: {link}")

    assert len(pages) > 80
    assert dead == []


@pytest.mark.long  # links of the pages themselves are asked in test_docs
def test_the_search_finds_pages_without_a_server(site: Path) -> None:
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    found = index["terms"]["salvag"]
    pages = {index["docnames"][number] for number in ([found] if isinstance(found, int) else found)}

    assert {"docs/restore", "docs/commands"} <= pages
    # As a script: a browser fetches no data beside a page that is a file.
    assert "searchindex.js" in " ".join(_Page((site / "search.html").read_text(encoding="utf-8")).loads)


@pytest.mark.long  # links of the pages themselves are asked in test_docs
def test_the_drawing_of_the_house_is_a_table_of_its_arrows(site: Path) -> None:
    page = (site / "docs" / "architecture.html").read_text(encoding="utf-8")

    assert "flowchart" not in page
    assert re.search(r"<p>cli</p></td>\s*<td><p>[^<]*dashboard", page)


@pytest.mark.long  # links of the pages themselves are asked in test_docs
def test_unreleased_changes_are_on_the_page_of_changes(site: Path) -> None:
    page = " ".join(
        html.unescape(re.sub(r"<[^>]+>", "", (site / "CHANGELOG.html").read_text(encoding="utf-8"))).split()
    )
    # Code is marked otherwise there, and quotes are curved.
    changes = [
        one for one in changelog.changes_in(changelog.CHANGES / "unreleased") if not re.search(r"[`'\"*_.-]", one.title)
    ]

    assert [one.title for one in changes if one.title not in page] == []


def test_a_dead_link_stops_the_building(tmp_path: Path) -> None:
    page = tmp_path / "source" / "docs" / "site" / "index.md"
    page.parent.mkdir(parents=True)
    page.write_text("# Page\n\n[nowhere](no-such-page.md)\n", encoding="utf-8")

    built = _build(tmp_path / "source", tmp_path)

    assert built.returncode != 0
    assert "no-such-page.md" in built.stderr


def _build(source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", str(ROOT / "docs" / "site"),
         "-d", str(into / "tree"), str(source), str(into / "site")],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip


def _pages(site: Path) -> Iterator[tuple[Path, _Page]]:
    for path in site.rglob("*.html"):
        yield path, _Page(path.read_text(encoding="utf-8"))


def _is_foreign(address: str) -> bool:
    return bool(re.match(r"([a-z+]+:)?//", address)) or address.startswith(("http:", "https:"))
