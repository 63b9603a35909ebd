"""The place that an approval is for: the live database and the live folders of files, which must be the same after people have answered."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edms_tasks.errors import NotApproved
from edms_tasks.inventory.probe_report import ProbeReport
from edms_tasks.settings import Settings
from flows.live.live_target import live_folders
from flows.restoring.target import address_of, ask_edms
from flows.running.run import Run


@dataclass
class KnownTarget:
    """What the EDMS has said of itself to a run, so that the plan, the approval and the verb look at one and the same place.

    Args:
        run: the run, before anything was asked.
    """

    run: Run
    _said: list[ProbeReport] = field(default_factory=list)

    @property
    def asking(self) -> Run:
        """The run; what the EDMS says to it is remembered."""
        return replace(self.run, ask=self._ask)

    @property
    def knowing(self) -> Run:
        """The run; what the EDMS said last is its first answer."""
        waiting = self._said[-1:]
        return replace(self.run, ask=lambda settings: waiting.pop() if waiting else self.run.ask(settings))

    def lines(self) -> tuple[str, ...]:
        """Where the live system is, for people, by what the EDMS said last."""
        report = self._said[-1] if self._said else ask_edms(self.asking, [])
        folders = sorted(f"{name}: {folder}" for name, folder in live_folders(self.run.settings, report).items())
        stores = sorted(f"{name}: {address}" for name, address in self.run.settings.files.stores.items())
        return (address_of(self.run.settings, report).display, *folders, *stores)

    def require(self, planned: tuple[str, ...]) -> None:
        """Raise NotApproved unless the live system is where it was when the plan was made."""
        now = self.lines()
        if now == planned:
            return
        raise NotApproved(
            "The live system is not where it was when this plan was made: nothing was changed.",
            where="; ".join(one for one in now if one not in planned),
            why=f"The plan was made for {'; '.join(one for one in planned if one not in now) or 'less than that'}. "
            "The settings, or the EDMS's own, have changed since.",
            fix="Start a new run, and approve its plan.",
        )

    def _ask(self, settings: Settings) -> ProbeReport:
        report = self.run.ask(settings)
        self._said.append(report)
        return report
