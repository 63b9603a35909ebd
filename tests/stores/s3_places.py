"""Buckets on the S3 server of the tests, and settings for repositories in them."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping

from pydantic import SecretStr

from edms_tasks.repository.backends.s3_store import s3_client
from edms_tasks.settings import RepositorySettings
from tests.stores.swift_server import S3Account

_counter = itertools.count()


def secret_options(options: Mapping[str, str]) -> dict[str, SecretStr]:
    """As the settings have them."""
    return {name: SecretStr(value) for name, value in options.items()}


def new_bucket(account: S3Account, **options: object) -> str:
    """Make a bucket of a new name."""
    name = f"edms-{next(_counter)}-{secrets.token_hex(4)}"
    s3_client(secret_options(account.options), "").create_bucket(Bucket=name, **options)
    return name


def s3_settings(account: S3Account, bucket: str, folder: str = "backups", **others: object) -> RepositorySettings:
    """Settings for a repository below a prefix of a bucket."""
    return RepositorySettings(url=f"s3://{bucket}/{folder}", options=secret_options(account.options), **others)
