"""The settings' `[repository]` and `[copy]`: where they are, what their servers need, and the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from edms_tasks.periods import DURATION
from edms_tasks.soft_reference_settings import Section

ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
"""A pattern for settings: the id of an EDMS or a repository."""


class RepositorySettings(Section):
    """The repository."""

    id: str | None = Field(
        default=None,
        pattern=ID,
        description="The id of the repository (in its config.json). Another one is refused.",
    )
    url: str = Field(
        default="edms-backups",
        description="A folder, s3://BUCKET/FOLDER, sftp://USER@HOST/FOLDER, or any fsspec URL; see storage.md.",
    )
    options: dict[str, SecretStr] = Field(
        default={}, description="Options of the store, such as key, secret and endpoint_url; secrets allowed."
    )
    upload_limit: int | None = Field(
        default=None, gt=0, description="Bytes a second that are sent to an S3 or SFTP repository at most."
    )
    download_limit: int | None = Field(
        default=None, gt=0, description="Bytes a second that are fetched from an S3 or SFTP repository at most."
    )
    immutable_days: int | None = Field(
        default=None,
        gt=0,
        le=36_500,
        description="Days for which what a backup wrote or used can be neither changed nor removed, by S3 object lock.",
    )
    immutable_mode: Literal["GOVERNANCE", "COMPLIANCE"] = Field(
        default="GOVERNANCE",
        description="Who may shorten that: users with the right to bypass it, or nobody at all.",
    )
    write_key: Path | None = Field(
        default=None,
        description="File of this machine's write key, with which it encrypts and signs backups. It reads none.",
    )
    identity: Path | None = Field(
        default=None,
        description="File of the recovery key, which reads backups. Without the file this machine can only make them.",
    )
    passphrase: SecretStr | None = Field(
        default=None, description="Instead of a recovery key, a passphrase that was given to the repository."
    )
    signers: tuple[str, ...] = Field(
        default=(),
        description="Public signing keys of other machines that back up into an unencrypted repository; `edms-backup key list` shows them.",
    )
    copies: Path | None = Field(
        default=None,
        description="Folder for copies of manifests and indexes of files, for a remote or encrypted repository; default: in workdir.",
    )


class StatusSettings(Section):
    """When `status` says that the backups are not well."""

    max_age: str = Field(
        default="26h", pattern=DURATION, description="How old the newest snapshot may be: a day and two hours."
    )
    max_proof_age: str | None = Field(
        default=None,
        pattern=DURATION,
        description="How long ago a restore may last have proved a snapshot; not set: it does not matter.",
    )
    max_drill_age: str | None = Field(
        default=None,
        pattern=DURATION,
        description="How long ago the last drill may have passed; not set: it does not matter.",
    )
    full_within: str = Field(
        default="14d",
        pattern=DURATION,
        description="The disk of a repository in a folder must not be expected to be full within this time.",
    )


class CopySettings(Section):
    """The place of the second copy, which `copy` brings up to date."""

    url: str | None = Field(
        default=None, description="A folder or any fsspec URL, on another disk or in another building."
    )
    options: dict[str, SecretStr] = Field(default={}, description="Options of its fsspec file system; secrets allowed.")
    immutable_days: int | None = Field(
        default=None,
        gt=0,
        le=36_500,
        description="Days for which what a backup wrote or used can be neither changed nor removed, by S3 object lock.",
    )
    immutable_mode: Literal["GOVERNANCE", "COMPLIANCE"] = Field(
        default="GOVERNANCE",
        description="Who may shorten that: users with the right to bypass it, or nobody at all.",
    )
