"""`[files]`: where the EDMS's files are."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from edms_tasks.soft_reference_settings import Section


class FilesSettings(Section):
    """Folders of files, and stores of objects."""

    roots: dict[str, Path] = Field(
        default={},
        description="Name -> folder; overrides or adds to what the probe finds.",
    )
    stores: dict[str, str] = Field(
        default={},
        description="Name -> address of a store of objects whose files are backed up like those of a folder: s3://BUCKET/PREFIX. An "
        "address in roots is the same.",
    )
    options: dict[str, dict[str, SecretStr]] = Field(
        default={},
        description="Name of a root in a store -> its options: endpoint_url, key, secret, region and the like, as for a repository.",
    )
    config: tuple[Path, ...] = Field(
        default=(),
        description="Files that the EDMS needs besides its data, such as .env. They may hold secrets: only for encrypted repositories.",
    )

    @model_validator(mode="before")
    @classmethod
    def _stores_apart(cls, values: Any) -> Any:
        """Roots that are URLs are stores; their addresses are no paths."""
        roots, named = (values.get(key) or {} for key in ("roots", "stores"))
        if not isinstance(roots, dict) or not isinstance(named, dict):
            return values
        stores = named | {name: url for name, url in roots.items() if isinstance(url, str) and "://" in url}
        folders = {name: path for name, path in roots.items() if name not in stores}
        return {**values, "roots": folders, "stores": {name: _address(name, url) for name, url in stores.items()}}


def _address(name: str, url: object) -> str:
    url = str(url)
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            f"The address of {name!r} must be s3://BUCKET or s3://BUCKET/PREFIX; endpoint_url, key and secret belong into "
            f"[files.options.{name}]."
        )
    return url.rstrip("/")
