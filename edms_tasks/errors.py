"""The errors that users can act on, one class each.

Every error says what failed, where, why and what to do. The command line prints this and exits with the class's
``exit_code``. `docs/restore.md` lists all errors by ``code``. Each class is *transient* (a retry can help) or *terminal*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class EdmsBackupError(Exception):
    """Base class of all errors that this product raises on purpose.

    Args:
        what: what failed, one sentence.
        where: the file, table, object or address concerned.
        why: the reason, as reported by the system; never contains a secret.
        fix: what the user can do about it.
    """

    code: ClassVar[str] = "error"
    former_code: ClassVar[str] = ""  # the code in earlier releases
    exit_code: ClassVar[int] = 3
    transient: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        self.what, self.where, self.why, self.fix = what, where, why, fix
        super().__init__(self.__str__())

    def __str__(self) -> str:
        facts = (("where: ", self.where), ("why:   ", self.why), ("fix:   ", self.fix))
        return "\n".join([self.what, *(f"  {name}{text}" for name, text in facts if text)])

    def as_json(self) -> dict[str, Any]:
        """The same four facts for ``--json``. `cure` is the older name of `fix`, `former_error` the error's older code."""
        former = {"former_error": self.former_code} if self.former_code else {}
        facts = {"what": self.what, "where": self.where, "why": self.why, "fix": self.fix}
        return {"error": self.code, **former, **facts, "cure": self.fix}


class TerminalError(EdmsBackupError):
    """The operation failed and a retry would fail the same way."""

    code = "operation-failed"


class TransientError(EdmsBackupError):
    """The operation failed for a reason that may pass (network, lock, busy server)."""

    code = "operation-failed-for-now"
    transient = True


# -- exit code 2: the command or the settings are wrong -----------------------------------------------------------


class SettingsError(TerminalError):
    """The settings file is missing, unreadable, or has an unknown or invalid key."""

    code = "settings"
    exit_code = 2


class UnusableSuite(TerminalError):
    """A suite of `[validate] suites` is not a suite, is empty, or names a table or column that does not exist."""

    code = "unusable-suite"
    exit_code = 2


class CommandError(TerminalError):
    """The command was used wrongly."""

    code = "command"
    exit_code = 2


class UnknownSnapshot(TerminalError):
    """No snapshot, or more than one, matches the name."""

    code = "unknown-snapshot"
    exit_code = 2


class AnotherRepository(TerminalError):
    """The repository is not the one that was used before, or is missing."""

    code = "another-repository"
    exit_code = 2


class RepositorySealed(TerminalError):
    """The repository is encrypted, and the key that opens it is not here, or is another."""

    code = "repository-sealed"
    exit_code = 2


class UndeterminedSnapshot(UnknownSnapshot):
    """Cannot determine which snapshot is meant: the newest is missing, there are several, or they are another EDMS's."""

    code = "undetermined-snapshot"


class UnsupportedEngine(TerminalError):
    """The EDMS's database engine is not supported."""

    code = "unsupported-engine"
    exit_code = 2


class EdmsNotImportable(TerminalError):
    """The EDMS's interpreter or settings do not work, so it cannot be inspected."""

    code = "edms-not-importable"
    exit_code = 2


# -- exit code 1: a check failed ----------------------------------------------------------------------------------


class CheckFailed(TerminalError):
    """What was restored does not equal the snapshot; the live system was not changed."""

    code = "check-failed"
    exit_code = 1


class DamagedRepository(CheckFailed):
    """An object or manifest is missing, truncated or altered."""

    code = "damaged-repository"


class UnreadableBackup(CheckFailed):
    """An old backup of another tool has no known format, or nothing in it can be read; nothing was written."""

    code = "unreadable-backup"


class DumpRefused(CheckFailed):
    """A dump of an engine holds what no dump needs, or nothing that can be converted; nothing of it was run."""

    code = "dump-refused"


class DumpLimitReached(CheckFailed):
    """A dump of an engine takes longer, or more room, than the settings allow; it was ended, and nothing of it was kept."""

    code = "dump-limit-reached"


class PruneRefused(CheckFailed):
    """It is not certain what may be removed from the repository; nothing was removed."""

    code = "prune-refused"


class IncompatibleRows(CheckFailed):
    """Values, tables or columns of the snapshot are incompatible with the other engine; nothing was loaded."""

    code = "incompatible-rows"
    former_code = "does-not-fit"

    def __init__(
        self, what: str, *, where: str = "", why: str = "", fix: str = "", incompatible: Sequence[dict[str, Any]] = ()
    ) -> None:
        self.incompatible = list(incompatible)
        super().__init__(what, where=where, why=why, fix=fix)

    def as_json(self) -> dict[str, Any]:
        """The four facts, and every incompatible value. `misfits` is the older name of `incompatible`."""
        return super().as_json() | {"incompatible": self.incompatible, "misfits": self.incompatible}


class MergeRefused(CheckFailed):
    """The snapshot cannot be merged into this database; nothing was changed."""

    code = "merge-refused"


class StoreNotWritten(CheckFailed):
    """Files would have to be written into a store of objects, where that cannot be done; nothing was changed."""

    code = "store-not-written"


# -- exit code 3: the operation failed ----------------------------------------------------------------------------


class DatabaseRefused(TransientError):
    """The database server cannot be reached or refuses the login."""

    code = "database-refused"


class DatabaseUnreadable(TerminalError):
    """This user may not read the database file."""

    code = "database-unreadable"


class UnappliedMigrations(TerminalError):
    """The EDMS's code has migrations that its database lacks."""

    code = "unapplied-migrations"


class SnapshotNewerThanCode(TerminalError):
    """The snapshot has migrations that the EDMS's present code does not have."""

    code = "snapshot-newer-than-code"


class MigrationsDiverged(TerminalError):
    """The EDMS's code cannot continue the snapshot's migrations: the two histories have diverged."""

    code = "migrations-diverged"
    former_code = "migrations-parted"


class MayNotCreateDatabases(TerminalError):
    """The role may not create the staging database, or may not rename the live one."""

    code = "may-not-create-databases"


class ServerNotReady(TerminalError):
    """The server lacks an extension, a role or a locale that the snapshot needs; nothing was loaded."""

    code = "server-not-ready"


class TargetInUse(TransientError):
    """Other sessions are connected to the database that is to be swapped."""

    code = "target-in-use"


class TableLocked(TransientError):
    """Another session has locked a table for too long."""

    code = "table-locked"


class TargetLocked(TargetInUse):
    """Another run of this product is using the same database or folder."""

    code = "target-locked"


class TargetChanged(TransientError):
    """The database or a folder is not the one from the beginning of this run, or not the one that was validated."""

    code = "target-changed"


class LockLost(TransientError):
    """The lock of the target was lost during the run; nothing was changed."""

    code = "lock-lost"


class LockUnavailable(TerminalError):
    """The target cannot be locked."""

    code = "lock-unavailable"


class TargetExists(TerminalError):
    """The database or folder that a restore should create exists already."""

    code = "target-exists"


class NoSpace(TerminalError):
    """The disk does not have enough space."""

    code = "no-space"


class MemoryExhausted(TerminalError):
    """A step needs more memory than the settings allow, or than is available."""

    code = "memory-exhausted"


class RepositoryLocked(TransientError):
    """Another run holds the repository's lock."""

    code = "repository-locked"


class RepositoryUnreachable(TransientError):
    """The server or disk of the repository does not answer."""

    code = "repository-unreachable"


class RepositoryForbidden(TerminalError):
    """The server or disk of the repository refuses this user."""

    code = "repository-forbidden"


class WorkersUnreachable(TransientError):
    """Dask's scheduler does not answer, has no workers, or was lost in the middle of a run."""

    code = "workers-unreachable"


class WorkersDiffer(TerminalError):
    """A worker has other versions or settings than the coordinator, or does not see the scratch folder."""

    code = "workers-differ"


class NothingToRollBack(TerminalError):
    """No promoted restore is on record, or its previous state is gone."""

    code = "nothing-to-roll-back"
    exit_code = 2


class NotApproved(TerminalError):
    """A deployed run that would have changed the live system was not approved; nothing was changed."""

    code = "not-approved"
    exit_code = 1


class AlreadyPromoted(TerminalError):
    """What was confirmed has already been done. A confirmation is valid once.

    `stamp` says when, in UTC; `snapshot` and `verdict` what was promoted, as far as the journal knows.
    """

    code = "already-promoted"
    exit_code = 2
    stamp = ""
    snapshot = ""
    verdict = ""


class HookFailed(TerminalError):
    """A command of `[hooks]` that must succeed before something is begun has failed; nothing was begun."""

    code = "hook-failed"


class ToolMissing(TerminalError):
    """A program this engine needs (for PostgreSQL: pg_dump, pg_restore) is not on the PATH."""

    code = "tool-missing"
    exit_code = 2


# -- exit code 4: it was done, and something failed afterwards ----------------------------------------------------


class PromotionHalted(TerminalError):
    """The live database was swapped, but the files could not be."""

    code = "promotion-halted"
    exit_code = 4


class CommitUndetermined(TerminalError):
    """The server was lost while a merge was being committed, and does not say whether it was."""

    code = "commit-undetermined"
    exit_code = 4


class EvidenceNotWritten(TerminalError):
    """What was asked is done, but its report could not be written, or not into the repository."""

    code = "evidence-not-written"
    exit_code = 4


class HookFailedAfterwards(TerminalError):
    """What was asked for has ended, and a command of `[hooks]` after it failed."""

    code = "hook-failed-afterwards"
    exit_code = 4


# -- exit code 130: stopped from outside --------------------------------------------------------------------------


class Interrupted(TerminalError):
    """Ctrl-C (130), a kill (143) or a closed terminal (129) stopped the command; `why` says what it left behind."""

    code = "stopped"
    exit_code = 130
