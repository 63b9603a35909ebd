"""The bill of materials of a release: every library that an installation with all extras has, as CycloneDX.

    python -m release.sbom FILE

Versions and hashes are those of requirements.lock, which is what was tested. Names, licences and who needs whom come from the
metadata of the packages in this environment. The tools of development are not in it: nobody who installs gets them.
"""

from __future__ import annotations

import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PROJECT = "edms-backup"
EXTRAS = frozenset({"s3", "sftp", "pdf"})


@dataclass(frozen=True)
class Pinned:
    """A line of the lock file: the version, and the hashes of the files that may be installed."""

    version: str
    hashes: tuple[str, ...]


def pinned() -> dict[str, Pinned]:
    """Name -> what the lock file says of it on this Python and platform."""
    joined = re.sub(r"\\\n\s*", "", LOCK.read_text(encoding="utf-8"))
    found: dict[str, Pinned] = {}
    for line in joined.splitlines():
        if not line or line.lstrip().startswith("#"):
            continue
        wanted = Requirement(line.partition(" --hash")[0])
        if wanted.marker is None or wanted.marker.evaluate():
            (version,) = (part.version for part in wanted.specifier)
            found[canonicalize_name(wanted.name)] = Pinned(
                version, tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            )
    return found


def needed(name: str = PROJECT, extras: frozenset[str] = EXTRAS) -> dict[str, set[str]]:
    """Name -> the names that it needs here, for the project and all that follows from it."""
    graph: dict[str, set[str]] = {}
    ahead, seen = [(name, extras)], {(name, extras)}
    while ahead:
        here, asked = ahead.pop()
        edges = graph.setdefault(here, set())
        for wanted in _requirements(here, asked):
            other = (canonicalize_name(wanted.name), frozenset(wanted.extras))
            edges.add(other[0])
            if other not in seen:
                seen.add(other)
                ahead.append(other)
    return graph


def bill() -> Bom:
    """The bill of materials.

    Raises:
        ValueError: a library is not in the lock file, or another version is installed.
    """
    lock, graph = pinned(), needed()
    components = {name: _component(name, lock) for name in sorted(graph)}
    made = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, _state(components)))
    made.metadata.component = components[PROJECT]
    for name in graph.keys() - {PROJECT}:
        made.components.add(components[name])
    for name, others in graph.items():
        made.register_dependency(components[name], [components[other] for other in others])
    return made


def _requirements(name: str, extras: frozenset[str]) -> Iterator[Requirement]:
    for text in _of_the_project(extras) if name == PROJECT else metadata.requires(name) or ():
        wanted = Requirement(text)
        if wanted.marker is None or any(wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield wanted


def _of_the_project(extras: frozenset[str]) -> list[str]:
    # Not from its metadata here: an editable installation needs one package more.
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


def _component(name: str, lock: dict[str, Pinned]) -> Component:
    described = metadata.metadata(name)
    version = described["Version"]
    if name != PROJECT and (name not in lock or lock[name].version != version):
        raise ValueError(f"{name} {version} is installed, and the lock file has {lock.get(name)}: make venv")
    return Component(
        name=name,
        version=version,
        type=ComponentType.APPLICATION if name == PROJECT else ComponentType.LIBRARY,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("pypi", None, name, version),
        description=_field(described, "Summary"),
        licenses=_licences(described),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in lock[name].hashes] if name in lock else (),
    )


def _licences(described: metadata.PackageMetadata) -> list[LicenseExpression | DisjunctiveLicense]:
    if expression := _field(described, "License-Expression"):
        return [LicenseExpression(expression)]
    classified = [
        line.rpartition(" :: ")[2] for line in described.get_all("Classifier") or () if line.startswith("License ::")
    ]
    # Some packages have the whole text in this field.
    short = [line for line in [_field(described, "License")] if line and "\n" not in line and len(line) < 80]
    return [DisjunctiveLicense(name=name) for name in dict.fromkeys(classified or short)]


def _field(described: metadata.PackageMetadata, name: str) -> str:
    return described[name] if name in described else ""  # noqa: SIM401 - Python 3.11 declares no get


def _state(components: dict[str, Component]) -> str:
    # The same libraries give the same number.
    return " ".join(f"{one.name}=={one.version}" for one in components.values())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m release.sbom FILE")
    JsonV1Dot6(bill()).output_to_file(sys.argv[1], allow_overwrite=True, indent=2)
