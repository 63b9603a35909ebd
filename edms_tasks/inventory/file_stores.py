"""The EDMS's storages that are stores of objects: which of them the settings back up, and what is said of the others."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from edms_tasks.findings import make_finding
from edms_tasks.inventory.model import FileRoot, Finding
from edms_tasks.inventory.probe_report import ProbeModel, ProbeReport, ProbeStore
from edms_tasks.settings import Settings

_USERS = 5
_ALIAS = "STORAGES["
"""So many fields and settings are named in a finding."""


def is_store(path: str) -> bool:
    """Whether the path of a root is the address of a store, and not a folder."""
    return "://" in path


def is_whole_bucket(url: str) -> bool:
    """Whether an address has no prefix."""
    return not urlsplit(url).path.strip("/")


def store_roots(report: ProbeReport, settings: Settings) -> tuple[FileRoot, ...]:
    """The stores that the settings name, as roots of files."""
    used = {store.url.rstrip("/"): store.used_by for store in report.stores if store.url}
    return tuple(
        FileRoot(name=name, path=url, used_by=used.get(url, ())) for name, url in sorted(settings.files.stores.items())
    )


def with_fields_of_stores(report: ProbeReport, settings: Settings) -> ProbeReport:
    """The report with the root of each FileField whose storage is a store that is backed up."""
    names = {url: name for name, url in settings.files.stores.items()}
    root_of = {
        field: names[store.url.rstrip("/")]
        for store in report.stores
        if store.url.rstrip("/") in names
        for field in store.used_by
    }
    return (
        report.model_copy(update={"models": tuple(_with_roots(model, root_of) for model in report.models)})
        if root_of
        else report
    )


def _with_roots(model: ProbeModel, root_of: dict[str, str]) -> ProbeModel:
    fields = tuple(
        field.model_copy(update={"file_root": root})
        if (root := root_of.get(f"{model.label}.{field.name}")) is not None
        else field
        for field in model.fields
    )
    return model.model_copy(update={"fields": fields})


def store_findings(report: ProbeReport, settings: Settings) -> Iterator[Finding]:
    """Findings on files that are in no folder: those that are not backed up, and what a restore does with those that are."""
    for name, url in settings.files.stores.items():
        if is_whole_bucket(url) and name not in settings.files.beside:
            yield make_finding("store-without-place-beside", f"files of {name}: {url}")
    backed_up = [f"{url}/" for url in settings.files.stores.values()]
    for store in report.stores:
        if not (store.url and f"{store.url.rstrip('/')}/".startswith(tuple(backed_up))):
            yield _not_backed_up(store, settings)


def _not_backed_up(store: ProbeStore, settings: Settings) -> Finding:
    place, excluded = store.url or store.kind, set(settings.exclude.storages)
    # Its address and an alias name the whole store; a field only that field.
    whole = {place, *(user for user in store.used_by if user.startswith(_ALIAS))}
    left = tuple(user for user in store.used_by if user not in excluded and not user.startswith(_ALIAS))
    if whole & excluded or (excluded & set(store.used_by) and not left):
        return make_finding("storage-excluded", place)
    used_by = left if excluded & set(store.used_by) else store.used_by
    users = f"{', '.join(used_by[:_USERS])}{' and others' if len(used_by) > _USERS else ''}"
    what = f"a store of objects ({store.url})" if store.url else f"a storage that is not a folder ({store.kind})"
    options = "".join(f', {name} = "{value}"' for name, value in store.options.items())
    fix = (
        f'Name it: [files] roots = {{ {store.name} = "{store.url}" }}'
        + (f", and [files.options.{store.name}]{options[1:]}" if options else "")
        + f'. If it holds no documents: [exclude] storages = ["{place}"].'
    )
    return make_finding(
        "storage-not-a-folder",
        place,
        f"The files of {users} are in {what}. They are not in the snapshot.",
        count=len(used_by),
        examples=used_by[:_USERS],
        fix=fix if store.url else None,
    )
