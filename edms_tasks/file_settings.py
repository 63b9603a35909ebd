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
    beside: dict[str, str] = Field(
        default={},
        description="Name of a root in a store -> address in the same store below which a restore stages objects and keeps previous "
        "ones; by default beside the root's prefix. A root that is a whole bucket needs one.",
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
        beside = values.get("beside") or {}
        if isinstance(beside, dict):
            beside = {name: _address(name, url) for name, url in beside.items()}
        stores = {name: _address(name, url) for name, url in stores.items()}
        return {**values, "roots": folders, "stores": stores, "beside": beside}

    @model_validator(mode="after")
    def _beside_is_apart(self) -> FilesSettings:
        for name, place in self.beside.items():
            if name not in self.stores:
                raise ValueError(f"beside.{name}: there is no root {name!r} in a store.")
            for other, store in self.stores.items():
                if f"{place}/".startswith(f"{store}/") and not (place == store and urlsplit(place).path):
                    raise ValueError(
                        f"beside.{name} = {place!r} is inside the files {other!r} ({store}). Name a place outside."
                    )
        return self


def _address(name: str, url: object) -> str:
    url = str(url)
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            f"The address of {name!r} must be s3://BUCKET or s3://BUCKET/PREFIX; endpoint_url, key and secret belong into "
            f"[files.options.{name}]."
        )
    return url.rstrip("/")
