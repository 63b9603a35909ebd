"""The snapshots of one EDMS in a repository: their order, the newest, and problems with either."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import Finding
from edms_tasks.lineage.owner import CONVERTED, UNRECORDED, KnownEdms, names_of, owners
from edms_tasks.manifest import Manifest
from edms_tasks.repository import Repository, Survey
from edms_tasks.repository.chain import Chain, Mark, Missing, ancestors_of, chain_of

PROBLEMS = frozenset(
    {
        "snapshot-missing",
        "snapshot-misnamed",
        "snapshot-untrusted",
        "snapshots-forked",
        "head-record-damaged",
        "record-damaged",
    }
)
"""The findings that mean a loss, or that the newest snapshot is in doubt."""


@dataclass(frozen=True)
class SnapshotHistory:
    """One EDMS's snapshots, and those of others."""

    survey: Survey
    this_edms: KnownEdms
    owner: Mapping[str, str]  # id of each readable snapshot -> key of its EDMS
    key: str | None  # of the EDMS whose history this is; None if it is unknown
    chain: Chain
    head: Mark | None  # the repository's own record
    here: Mark | None  # the working folder's

    @property
    def others(self) -> dict[str, list[str]]:
        """Key of each other EDMS -> its snapshots, oldest first."""
        found: dict[str, list[str]] = {}
        for name in self.survey.order:
            if self.owner[name] != self.key and not self.owner[name].startswith(CONVERTED):
                found.setdefault(self.owner[name], []).append(name)
        return found

    @property
    def converted(self) -> tuple[str, ...]:
        """The snapshots converted from this EDMS's old backups, oldest first; of all EDMSs if it is unknown. They are not in the chain."""
        whose = f"{CONVERTED}{self.key or ''}"
        return tuple(
            name
            for name in self.survey.order
            if self.owner[name] == whose or (self.key is None and self.owner[name].startswith(CONVERTED))
        )

    @property
    def newest(self) -> str | None:
        """The snapshot that the next one follows: the end of the chain, or the most certain of several ends."""
        if not self.chain.heads:
            return self.chain.order[-1] if self.chain.order else None
        links = self.survey.links
        if self.head is not None:
            successors = [one for one in self.chain.heads if self._follows(one, self.head.snapshot)]
            if successors:
                return successors[-1]
        return max(self.chain.heads, key=lambda one: (links[one].number or 0, links[one].created))

    def _follows(self, name: str, earlier: str) -> bool:
        return name == earlier or earlier in ancestors_of([name], self.survey.known_links)

    @property
    def next_mark(self) -> tuple[str | None, int]:
        """The predecessor of the next snapshot, and its number."""
        marks = [mark for mark in (self.head, self.here) if mark is not None]
        known = set(self.survey.known_links)
        gone = [mark for mark in marks if mark.snapshot not in known]
        number = max([self.chain.expected + self.chain.pruned, *(mark.number for mark in marks)]) + 1
        # A missing newest snapshot is named as the predecessor nevertheless, so that its loss stays visible.
        return (max(gone, key=lambda mark: mark.number).snapshot if gone else self.newest), number

    @property
    def may_be_newest(self) -> tuple[str, ...]:
        """Damaged snapshots that may be this EDMS's newest: no readable one is their successor, and no other EDMS's record names them."""
        links = self.survey.known_links
        followed = ancestors_of(links, links)
        elsewhere = {mark.snapshot for edms, mark in self.survey.heads.items() if edms != self.key}
        return tuple(one for one in self.survey.damaged if one not in followed and one not in elsewhere)

    def findings(self) -> tuple[Finding, ...]:
        """The problems with this EDMS's snapshots, and with the manifests of all EDMSs."""
        found = [*map(self._of_missing, self.chain.missing)]
        if len(self.chain.heads) > 1:
            found.append(
                _finding(
                    ", ".join(one[:12] for one in self.chain.heads),
                    f"{len(self.chain.heads)} snapshots are the newest: {self._times(self.chain.heads)}.",
                    "Name the one you mean by its id. Two copies of the repository were written to, or an earlier release ran with a "
                    "clock that was set back. The next backup follows one of them, and says which.",
                    code="snapshots-forked",
                )
            )
        for later, earlier in self.chain.backwards:
            found.append(
                _finding(
                    later[:12],
                    f"Snapshot {self._time(later)} was made after {self._time(earlier)}, but has an earlier time: a clock was wrong. "
                    "The order of the snapshots does not depend on it.",
                    code="clock-set-back",
                )
            )
        if self.head is not None and self.newest is not None and self.head.snapshot != self.newest:
            if self._follows(self.newest, self.head.snapshot):
                found.append(
                    _finding(
                        self.newest[:12],
                        f"A backup was interrupted after it wrote snapshot {self._time(self.newest)}. The snapshot was not read back.",
                        code="head-behind",
                    )
                )
        elif self.head is None and any(
            link.number for name, link in self.survey.links.items() if name in self.chain.order
        ):
            found.append(
                _finding(
                    self.key or "",
                    "The repository's record of this EDMS's newest snapshot is missing. If the newest snapshot was removed too, "
                    "nothing here shows it.",
                    code="head-record-missing",
                )
            )
        found += [self._of_sealed(name) for name in self.chain.order if name in self.survey.sealed]
        return (*found, *repository_findings(self.survey))

    def _of_sealed(self, name: str) -> Finding:
        message = f"Snapshot {self._time(name)}, made by {self.survey.sealed[name].machine}, cannot be read without the recovery key."
        return _finding(name[:12], message, code="snapshot-sealed")

    def _of_missing(self, one: Missing) -> Finding:
        where = f"{len(self.chain.order)} of {self.chain.expected} snapshots are there."
        if one.said_by == "count":
            return _finding(f"{one.count}", f"{one.count} more snapshots are missing: {where}", code="snapshot-missing")
        number = f" (number {one.number})" if one.number else ""
        if one.said_by in ("head", "here"):
            says = "the repository's own record" if one.said_by == "head" else "the record in the working folder"
            return _finding(
                one.id[:12],
                f"The newest snapshot, {one.id[:12]}{number}, is missing: {says} names it. {where}",
                code="snapshot-missing",
            )
        return _finding(
            one.id[:12],
            f"Snapshot {one.id[:12]}{number} is missing: {one.said_by[:12]} names it as its predecessor. {where}",
            code="snapshot-missing",
        )

    def _times(self, names: tuple[str, ...]) -> str:
        return ", ".join(map(self._time, names))

    def _time(self, name: str) -> str:
        return f"{name[:12]} ({self.survey.links[name].created:%Y-%m-%d %H:%M:%S} UTC)"


def repository_findings(survey: Survey) -> tuple[Finding, ...]:
    """Findings about misnamed files under `snapshots/` and damaged head records, of all EDMSs."""
    found: list[Finding] = []
    for stray in survey.strays:
        if stray.snapshot_id is not None:
            message = f"{stray.name} holds the manifest of snapshot {stray.snapshot_id[:12]} under another name."
            fix = f"Rename it to snapshots/{stray.snapshot_id}.json."
            found.append(_finding(stray.name, message, fix, code="snapshot-misnamed"))
        else:
            found.append(_finding(stray.name, f"{stray.name} is not a snapshot.", code="stranger-among-snapshots"))
    for name, why in survey.untrusted.items():
        found.append(
            _finding(name[:12], f"Snapshot {name[:12]} is not to be trusted. {why}", code="snapshot-untrusted")
        )
    for doubt in survey.records.doubts():
        found.append(_finding(doubt.split()[2], doubt, code="record-damaged"))
    for name in survey.unreadable_heads:
        message = f"{name}, the record of the newest snapshot, cannot be read."
        found.append(_finding(name, message, code="head-record-damaged"))
    return tuple(found)


def history_of(
    repository: Repository, this_edms: KnownEdms, here: Mark | None = None, found: Survey | None = None
) -> SnapshotHistory:
    """The history of `this_edms`; if it is unknown, of the only EDMS in the repository. `found`: the survey, if there is one already."""
    if found is None:
        found = repository.survey()
    owner = _owners(found, this_edms)
    key = this_edms.id if this_edms.id is not None else _only(owner, found.intact, this_edms)
    return _history(found, this_edms, owner, key, here)


def histories(own: SnapshotHistory) -> tuple[SnapshotHistory, ...]:
    """The history of every other EDMS in the repository than that of the settings."""
    keys = {*own.owner.values(), *own.survey.heads} - {own.this_edms.id}
    return _beside(own, (key for key in keys if not key.startswith(CONVERTED)))


def converted_histories(own: SnapshotHistory) -> tuple[SnapshotHistory, ...]:
    """The snapshots converted from old backups, by the EDMS whose they are. They have no order."""
    return _beside(own, {key for key in own.owner.values() if key.startswith(CONVERTED)})


def _beside(own: SnapshotHistory, keys: Iterable[str]) -> tuple[SnapshotHistory, ...]:
    return tuple(_history(own.survey, own.this_edms, own.owner, key, None) for key in sorted(keys))


def _owners(found: Survey, this_edms: KnownEdms) -> dict[str, str]:
    """The key of each snapshot's EDMS; that of a sealed one stands in its signature."""
    sealed = {name: signature.edms or UNRECORDED for name, signature in found.sealed.items()}
    return sealed | owners(found.intact, this_edms)


def _history(
    found: Survey, this_edms: KnownEdms, owner: Mapping[str, str], key: str | None, here: Mark | None
) -> SnapshotHistory:
    own = [name for name, description_of in owner.items() if description_of == key]
    head = found.heads.get(key) if key is not None else None
    chain = chain_of(
        found.links,
        own,
        found.unreadable,
        pruned=found.pruned_links,
        own_pruned=[name for name, one in found.pruned.items() if one.edms == key],
        head=head,
        here=here,
    )
    return SnapshotHistory(found, this_edms, owner, key, chain, head, here)


def _only(owner: Mapping[str, str], manifests: Mapping[str, Manifest], this_edms: KnownEdms) -> str | None:
    """The key of the repository's only EDMS; None if there are several, or the settings name another project or module."""
    keys = {key for key in owner.values() if not key.startswith(CONVERTED)}
    if len(keys) != 1 or keys & this_edms.others:
        return None
    for manifest in manifests.values():
        if manifest.converted is not None:
            continue
        if this_edms.settings_module and manifest.edms.settings_module != this_edms.settings_module:
            return None
        if this_edms.project and manifest.identity is not None and manifest.identity.project != this_edms.project:
            return None
    return keys.pop()


def description_of(history: SnapshotHistory, key: str) -> str:
    """A sentence that describes an EDMS of the repository, from its newest snapshot."""
    names = [name for name in history.survey.order if history.owner[name] == key]
    readable = [name for name in names if name in history.survey.intact]
    text = names_of(history.survey.intact[readable[-1]]) if readable else f"id {key}"
    return f"{text}: {len(names)} snapshots, the newest {names[-1][:12]}" if names else text


def _finding(subject: str, message: str, fix: str | None = None, *, code: str) -> Finding:
    return make_finding(code, subject, message, fix=fix)
