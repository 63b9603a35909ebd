"""A page for each profile in deployments/profiles: what it declares, as tables. Nothing on it is said anywhere but in the profile.

python -m release.profile_pages        write docs/profiles/NAME.md
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ROOT / "deployments" / "profiles"
PAGES = ROOT / "docs" / "profiles"
# Profile -> where the tests on the real system are described.
_TESTED = {
    "mayan-edms": "../compatibility.md#mayan-edms",
    "paperless-ngx": "../compatibility.md#paperless-ngx",
    "wagtail": "../compatibility.md#wagtail",
    "reference-edms": "../../reference_edms/README.md",
}


def page(profile: Path) -> str:
    """The page of a profile."""
    declared = tomllib.loads(profile.read_text(encoding="utf-8"))
    name = profile.stem
    parts = [
        f"# {name}: {declared['profile']['title']}",
        f"<!-- made by `python -m release.profile_pages` from deployments/profiles/{profile.name} -->",
        f"`edms-backup init` recognises it and writes [{profile.name}](../../deployments/profiles/{profile.name}) into the "
        f"settings file; with `edms-backup init --profile {name}` it is not left to that. The file has the source of each line. "
        f"How it was tested, and what to know before you back it up: [{_title_of(name)}]({_TESTED[name]}). "
        "What a profile is: [profiles](../profiles.md).",
        *_sections(declared),
    ]
    return "\n\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """File name -> text, of every profile."""
    return {f"{profile.stem}.md": page(profile) for profile in sorted(PROFILES.glob("*.toml"))}


def _sections(declared: Mapping[str, Any]) -> Iterator[str]:
    detected = declared["profile"]["detect"]
    yield "## Recognised by\n\n" + _list([*detected.get("models", ()), *detected.get("apps", ())])
    if keys := declared.get("natural_keys"):
        yield "## Natural keys\n\nBeyond those that the system itself declares.\n\n" + _table(
            ("model", "known by"),
            [(f"`{model}`", ", ".join(f"`{path}`" for path in paths)) for model, paths in keys.items()],
        )
    if soft := declared.get("soft_references"):
        yield (
            f"## Ids that no foreign key declares\n\n{len(soft)} declarations. A merge that gives rows new ids rewrites them.\n\n"
            + _table(("where", "form", "of"), [_soft(one) for one in soft])
        )
    if derived := declared.get("derived"):
        yield "## Made from other tables\n\n" + _list(derived.get("tables", ()))
        if rebuild := derived.get("rebuild"):
            yield (
                "Made anew after a merge, a restore and a change of engine by: "
                + ", ".join(f"`{one}`" for one in rebuild)
                + "."
            )
    if merge := declared.get("merge", {}).get("not_references"):
        yield "## Looks like ids, and is none\n\n" + _list(merge)
    if commands := declared.get("drill", {}).get("commands"):
        yield "## What a drill tries\n\n" + "\n".join(f"- {_name_of(command)}" for command in commands)
    if sensitive := declared.get("validate", {}).get("sensitive"):
        yield "## Columns whose values no report shows\n\n" + _list(sensitive)


def _soft(declared: Mapping[str, Any]) -> tuple[str, str, str]:
    rest = {key: value for key, value in declared.items() if key not in ("column", "files", "content_type", "target")}
    where = declared.get("column") or declared.get("content_type") or f"files of {declared.get('files')}"
    form = ", ".join(f"{key} `{value}`".replace("|", "\\|") for key, value in rest.items()) or "the id itself"
    target = declared.get("target")
    return f"`{where}`", form, f"`{target}`" if target else "by content type"


def _name_of(command: str | Sequence[str]) -> str:
    if isinstance(command, str):
        return f"`{command}`"
    first = command[1].lstrip().partition("\n")[0] if command[0] == "-c" else ""
    return first.removeprefix("#").strip() or f"`{' '.join(command)}`"


def _title_of(name: str) -> str:
    return "the reference EDMS" if name == "reference-edms" else "compatibility"


def _list(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) + "."


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for file, text in pages().items():
        (PAGES / file).write_text(text, encoding="utf-8")
