"""A backend for the S3 or SFTP address in the settings, with retries and limits around it."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from edms_tasks.errors import SettingsError
from edms_tasks.repository.backends.limited import Bandwidth, Limited
from edms_tasks.repository.backends.object_store import ObjectStore
from edms_tasks.repository.backends.retrying import Retrying
from edms_tasks.repository.backends.store_backend import StoreBackend
from edms_tasks.settings import RepositorySettings


def open_store_backend(settings: RepositorySettings) -> StoreBackend:
    """The backend for an s3:// or sftp:// URL; nothing is read or written yet."""
    store = open_store(settings)
    if settings.upload_limit is not None or settings.download_limit is not None:
        upload, download = (
            Bandwidth(limit) if limit is not None else None
            for limit in (settings.upload_limit, settings.download_limit)
        )
        store = Limited(store, upload, download)
    return StoreBackend(Retrying(store))


def open_store(settings: RepositorySettings) -> ObjectStore:
    """The store itself."""
    parts = urlsplit(settings.url)
    try:
        if parts.scheme in ("sftp", "ssh"):
            from edms_tasks.repository.backends.sftp_store import open_sftp_store

            return open_sftp_store(settings)
        from edms_tasks.repository.backends.s3_store import S3Store, s3_client

        if not parts.netloc or "@" in parts.netloc:
            raise SettingsError(
                "The repository's address names no bucket.",
                where=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
                why="It must be s3://BUCKET or s3://BUCKET/FOLDER; credentials belong into [repository] options.",
                fix="Fix [repository] url.",
            )
        immutable = timedelta(days=settings.immutable_days) if settings.immutable_days is not None else None
        client = s3_client(settings.options, settings.url)
        return S3Store(client, parts.netloc, parts.path, immutable, settings.immutable_mode)
    except ImportError as error:
        extra = "sftp" if parts.scheme in ("sftp", "ssh") else "s3"
        raise SettingsError(
            "A package for this kind of repository is not installed.",
            where=f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}",
            why=str(error),
            fix=f"pip install 'edms-backup[{extra}]'",
        ) from error
