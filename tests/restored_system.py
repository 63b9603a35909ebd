"""A system that was lost and restored, made once a session per engine, and copies of it for tests that change it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.reference_system import EdmsTemplates, Engine, ReferenceEdms
from tests.running import Protected, protect

DOCUMENTS = 20


@dataclass(frozen=True)
class Recovered:
    """The system that was backed up, as it still is, and the one that was re-initialised and restored from it."""

    source: ReferenceEdms
    restored: ReferenceEdms
    protected: Protected  # the restored one, with the repository it was restored from


class RecoveredSystems:
    """Recovered systems by engine; neither half may be changed."""

    def __init__(self, templates: EdmsTemplates, folder: Path) -> None:
        self._templates = templates
        self._folder = folder
        self._made: dict[Engine, Recovered] = {}
        self._copies = 0

    def __call__(self, engine: Engine) -> Recovered:
        """Back up, re-initialise with other ids, restore."""
        if engine not in self._made:
            source = self._templates.get(engine, DOCUMENTS, 1)
            edms = self._templates.copy(source, self._folder / engine, f"recovered_{engine}")
            protected = protect(edms, self._folder / f"{engine}-protected")
            protected.backup()
            edms.manage("reinit", "--offset-ids")
            result = protected.restore()
            assert result.success and result.promoted, result.failures
            self._made[engine] = Recovered(source, edms, protected)
        return self._made[engine]

    def copy_of_restored(self, engine: Engine) -> ReferenceEdms:
        """A copy of the restored system that a test may work on."""
        self._copies += 1
        folder = self._folder / f"{engine}-copy-{self._copies}"
        return self._templates.copy(self(engine).restored, folder, f"recovered_{engine}_copy_{self._copies}")
