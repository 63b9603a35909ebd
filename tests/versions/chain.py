"""One system that went through three versions and was backed up under each, with a plain copy of its database every time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from tests.independent_comparison import picture_of_postgres, picture_of_sqlite
from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms, ReferenceEdmsFactory
from tests.running import Protected
from tests.versions.three_versions import write_versions

DOCUMENTS = 20


@dataclass(frozen=True)
class Chain:
    """What was backed up under versions 1, 2 and 3; everything by the version's number. Nothing of it may be changed."""

    engine: Engine
    projects: dict[int, Path]
    protected: dict[int, Protected]  # one database and repository, the code of each version
    snapshots: dict[int, str]
    plain: dict[int, ReferenceEdms]  # copies of the database, made by the database itself
    templates: EdmsTemplates
    name: str

    def copy(self, number: int, folder: Path, project: Path, name: str) -> ReferenceEdms:
        """A plain copy of what the system was under a version, to be managed by the code in `project`."""
        return replace(self.templates.copy(self.plain[number], folder, name), project=project)

    def with_code(self, project: Path, folder: Path) -> Protected:
        """Settings for the live system with other code; the repository is the chain's."""
        edms = replace(self.protected[3].edms, project=project)
        config = edms.settings_file(folder / "edms-backup.toml", self.protected[3].repository)
        return Protected(edms, config, self.protected[3].repository)


def make_chain(templates: EdmsTemplates, folder: Path, engine: Engine, name: str, *, last: int = 3) -> Chain:
    """Populate version 1, back it up, migrate, back it up, and once more; up to the version `last`."""
    projects = dict(enumerate(write_versions(folder / "code"), 1))
    live = ReferenceEdmsFactory(templates, folder / "installations", name)(engine, documents=DOCUMENTS)
    protected, snapshots, plain = {}, {}, {}
    for number, project in projects.items():
        edms = replace(live, project=project)
        repository = folder / "repository"
        config = edms.settings_file(folder / f"version-{number}" / "edms-backup.toml", repository)
        protected[number] = Protected(edms, config, repository)
        if number > last:
            continue
        if number > 1:
            edms.manage("migrate", "--verbosity", "0")
        snapshots[number] = protected[number].backup().snapshot_id
        plain[number] = templates.copy(edms, folder / "plain" / str(number), f"{name}_plain{number}")
    return Chain(engine, projects, protected, snapshots, plain, templates, name)


def database(edms: ReferenceEdms) -> dict[str, object]:
    """Everything the database holds but the times at which migrations ran."""
    if edms.engine == "sqlite":
        found = picture_of_sqlite(edms.database_path)
        rows = found["table django_migrations"]
        assert isinstance(rows, list)
        return {**found, "table django_migrations": sorted(row[1:3] for row in rows)}
    found = picture_of_postgres(edms.database_url)
    records = next(part for part in found if part.startswith("COPY public.django_migrations "))
    lines = found[records]
    assert isinstance(lines, list)
    return {**found, records: sorted(line.split("\t")[1:3] for line in lines)}
