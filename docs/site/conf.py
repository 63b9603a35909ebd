"""How the pages become a site: `make site`. The pages themselves are plain Markdown, to be read where they are as well.

Sphinx reads the whole repository, so that links lead where they lead in it. Nothing is loaded from elsewhere, neither now nor in a browser.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))
from release import changelog  # noqa: E402 - the repository is no package that is installed

project = "edms-backup"
author = "The edms-backup developers"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
extensions = ["myst_parser"]
root_doc = "docs/site/index"
include_patterns = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "deployments/README.md",
    "reference_edms/README.md",
    "flows/auditing/VERIFY.md",
    "docs/**.md",
]
exclude_patterns = [
    "docs/changelog/unreleased",
    "docs/package-index.md",
    ".*",
    "build",
    "dist",
    "tests",
    "benchmarks",
    "edms_tasks",
]
# The anchors that code hosts give to headings.
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a page may begin with a second-level heading
highlight_language = "none"

html_theme = "furo"
html_title = "edms-backup"
html_extra_path = ["start"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False
html_permalinks_icon = "#"
# No icons or fonts from elsewhere: those of the reader's system.
html_theme_options: dict[str, list[str]] = {"footer_icons": [], "top_of_page_buttons": []}
pygments_style = "default"


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _as_a_page)


def _as_a_page(_app: Any, name: str, source: list[str]) -> None:
    text = source[0]
    if name == "CHANGELOG":
        unreleased = changelog.section(changelog.changes_in(changelog.CHANGES / changelog.UNRELEASED))
        text = re.sub(r"(## Not released yet\n\n).*\n", lambda head: f"{head[1]}{unreleased}\n", text)
    text = re.sub(r"^```mermaid\n(.*?)^```$", _as_a_table, text, flags=re.MULTILINE | re.DOTALL)
    folder = (ROOT / name).parent
    source[0] = re.sub(r"\[([^\]\n]+)\]\(([^)\s#]+/)\)", lambda link: _to_a_page(folder, link), text)


def _to_a_page(folder: Path, link: re.Match[str]) -> str:
    # A folder is no page; the one that describes it is.
    there = folder / link[2]
    return f"[{link[1]}]({link[2]}README.md)" if (there / "README.md").is_file() else link[1]


def _as_a_table(drawing: re.Match[str]) -> str:
    """The arrows of a drawing as rows: whoever draws it would have to be loaded from elsewhere."""
    names = dict(re.findall(r'^ *(\w+)\["(.+)"\]$', drawing[1], flags=re.MULTILINE))
    arrows: defaultdict[str, list[str]] = defaultdict(list)
    for begin, end in re.findall(r"^ *(\w+) --> (\w+)$", drawing[1], flags=re.MULTILINE):
        arrows[names[begin]].append(names[end])
    rows = [f"| {begin} | {', '.join(ends)} |" for begin, ends in arrows.items()]
    return "\n".join(["| from | to |", "|---|---|", *rows])
