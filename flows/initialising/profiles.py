"""Profiles: the settings that a known EDMS needs, shipped in `deployments/profiles/`.

A profile is a settings file with a `[profile]` section, which says for which EDMS it is and how that is recognised. Everything
below this section is copied into the settings file that `init` writes, including comments.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from edms_tasks.errors import CommandError, SettingsError
from edms_tasks.inventory.probe_report import ProbeReport

_HEADER = re.compile(r"^\[\[?\s*([\w-]+)", re.MULTILINE)
_OWN = "profile"


@dataclass(frozen=True)
class Profile:
    """The settings that a known EDMS needs, and how it is recognised.


    Args:
        name: name by which it is chosen.
        title: name of the EDMS for people.
        models: labels of models that such an EDMS has.
        apps: labels of apps that it has.
        sections: name of a section -> its text, with the comments above its header.
        values: the parsed sections.
    """

    name: str
    title: str
    models: tuple[str, ...]
    apps: tuple[str, ...]
    sections: dict[str, str]
    values: dict[str, Any]

    def missing(self, report: ProbeReport) -> tuple[str, ...]:
        """The models and apps of the profile that an EDMS lacks; empty if the profile fits."""
        models = {model.label for model in report.models}
        apps = {model.app_label for model in report.models}
        return (*(name for name in self.models if name not in models), *(a for a in self.apps if a not in apps))


def all_profiles() -> tuple[Profile, ...]:
    """The shipped profiles by name."""
    folder = resources.files("deployments") / "profiles"
    found = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return tuple(
        parse_profile(file.name.removesuffix(".toml"), file.read_text(encoding="utf-8"))
        for file in sorted(found, key=lambda file: file.name)
    )


def find_profile(name: str) -> Profile:
    """The profile with this name; raises CommandError if there is none."""
    profiles = {profile.name: profile for profile in all_profiles()}
    if name in profiles:
        return profiles[name]
    close = difflib.get_close_matches(name, profiles, n=1, cutoff=0.4)
    raise CommandError(
        f"There is no profile {name!r}.",
        where=f"shipped: {', '.join(profiles)}",
        fix=f"Did you mean `{close[0]}`?" if close else "`edms-backup init --list-profiles` shows them.",
    )


def profile_from(name: str) -> Profile:
    """The profile in a file, or the shipped one with this name; raises CommandError, or SettingsError if the file is not a profile."""
    path = Path(name)
    if not path.is_file():
        if path.suffix == ".toml" or len(path.parts) > 1:
            raise CommandError("There is no such profile.", where=str(path.absolute()), fix="Name a file that exists.")
        return find_profile(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            "The profile cannot be read.",
            where=str(path),
            why=str(error),
            fix="Save it as UTF-8 text that you may read.",
        ) from error
    return parse_profile(path.stem, text)


def detect_profile(report: ProbeReport, profiles: Sequence[Profile]) -> Profile | None:
    """The profile that fits; of more than one, that with the most requirements."""
    fitting = [profile for profile in profiles if not profile.missing(report)]
    return max(fitting, key=lambda profile: len(profile.models) + len(profile.apps), default=None)


def parse_profile(name: str, text: str) -> Profile:
    """A profile from its text.

    Raises:
        SettingsError: the text is not TOML, or does not say for which EDMS it is.
    """
    try:
        values = tomllib.loads(text)
        own = values.pop(_OWN)
        title, detect = own["title"], own["detect"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise SettingsError(
            f"The profile {name!r} is not valid.",
            why=str(error),
            fix="It needs [profile] title and [profile.detect] models or apps.",
        ) from error
    loose = [key for key, value in values.items() if not isinstance(value, dict | list)]
    if loose:
        raise SettingsError(
            f"The profile {name!r} sets {loose[0]!r} outside of a section.",
            fix="Remove the line: only the settings file may set it.",
        )
    models, apps = tuple(detect.get("models", ())), tuple(detect.get("apps", ()))
    if not models and not apps:
        raise SettingsError(f"The profile {name!r} would match every EDMS.", fix="Name models in [profile.detect].")
    return Profile(name, title, models, apps, _sections(text), values)


def _sections(text: str) -> dict[str, str]:
    """The text of each section by name, with the comments directly above its header; sections of one name together."""
    starts = []
    for header in _HEADER.finditer(text):
        start = header.start()
        while (above := text.rfind("\n", 0, start - 1) + 1) < start and text[above:start].startswith("#"):
            start = above
        starts.append((header.group(1), start))
    ends = [start for _, start in starts[1:]] + [len(text)]
    sections: dict[str, str] = {}
    for (name, start), end in zip(starts, ends, strict=True):
        if name != _OWN:
            sections[name] = sections.get(name, "") + text[start:end].strip("\n") + "\n\n"
    return {name: part.rstrip("\n") + "\n" for name, part in sections.items()}
