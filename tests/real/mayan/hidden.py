"""Every place of a Mayan EDMS that holds ids without a foreign key, and what its rows go by.

Read off Mayan EDMS 4.12 itself. Each function is given the value, the row and `meant(label, id)`, and gives the value with
what the ids mean in their place.
"""

import json
from collections.abc import Callable
from typing import Any

from django.apps import apps

Meant = Callable[[str, Any], str]

DOCUMENT, FILE, VERSION = "documents.Document", "documents.DocumentFile", "documents.DocumentVersion"
FILE_PAGE, VERSION_PAGE = "documents.DocumentFilePage", "documents.DocumentVersionPage"
CABINET, TEMPLATE_NODE = "cabinets.Cabinet", "document_indexing.IndexTemplateNode"
INSTANCE_NODE = "document_indexing.IndexInstanceNode"
ACTION, PARTITION = "document_states.WorkflowStateAction", "logging.ErrorLogPartition"

# Rows of no use to anybody who has them from elsewhere; and what Mayan makes again when it is asked for: pictures of pages.
LEFT_OUT = {
    "sessions.Session",
    "contenttypes.ContentType",
    "auth.Permission",
    "file_caching.CachePartition",
    "file_caching.CachePartitionFile",
    # What its workers do at the moment, and the account that each setup makes for itself.
    "task_manager.TaskDeduplicationEntry",
    "autoadmin.AutoAdminSingleton",
}
# Places in the trees of django-mptt.
RECOUNTED = {label: {"lft", "rght", "tree_id"} for label in (CABINET, TEMPLATE_NODE, INSTANCE_NODE)}


def _way(column: str) -> Callable[[Any], list[Any]]:
    """What the nodes on the way to a node are called."""

    def read(row: Any) -> list[Any]:
        names = []
        while row is not None:
            names.insert(0, getattr(row, column))
            row = type(row)._base_manager.filter(pk=row.parent_id).first()
        return names

    return read


# What rows are known by; all others by everything that they say.
IDENTITY: dict[str, tuple[Any, ...]] = {
    "auth.User": ("username",),
    "auth.Group": ("name",),
    "permissions.Role": ("label",),
    "permissions.StoredPermission": ("namespace", "name"),
    "contenttypes.ContentType": ("app_label", "model"),
    "documents.DocumentType": ("label",),
    DOCUMENT: ("uuid",),
    "documents.TrashedDocument": ("uuid",),
    FILE: ("document", "timestamp"),
    FILE_PAGE: ("document_file", "page_number"),
    VERSION: ("document", "timestamp"),
    VERSION_PAGE: ("document_version", "page_number"),
    "metadata.MetadataType": ("name",),
    "metadata.DocumentTypeMetadataType": ("document_type", "metadata_type"),
    "announcements.Announcement": ("label",),
    "tags.Tag": ("label",),
    CABINET: (_way("label"),),
    "document_states.Workflow": ("internal_name",),
    "document_states.WorkflowState": ("workflow", "label"),
    "document_states.WorkflowTransition": ("workflow", "label"),
    "document_states.WorkflowInstance": ("document", "workflow"),
    "document_indexing.IndexTemplate": ("slug",),
    TEMPLATE_NODE: ("index", _way("expression")),
    INSTANCE_NODE: ("index_template_node", _way("value")),
    "events.StoredEventType": ("name",),
    "actstream.Action": ("timestamp", "verb"),
    "acls.AccessControlList": ("content_type", "object_id", "role"),
    "sequences.Sequence": ("internal_name",),
    "credentials.StoredCredential": ("internal_name",),
    "converter.Asset": ("internal_name",),
    "file_caching.Cache": ("defined_storage_name",),
    "logging.StoredErrorLog": ("name",),
    PARTITION: ("error_log", "content_type", "object_id"),
}


def gone(key: Any) -> str:
    """An id without a row."""
    return "NO SUCH ROW"


# Fields of the forms of actions: one id, or a list of them, as text.
FIELDS = {
    "tags": "tags.Tag",
    "cabinets": CABINET,
    "metadata_types": "metadata.MetadataType",
    "metadata_type": "metadata.MetadataType",
    "workflows": "document_states.Workflow",
    "roles": "permissions.Role",
    "document_type": "documents.DocumentType",
}


def _form(value: Any, row: Any, meant: Meant) -> Any:
    """JSON in text."""
    said = dict(json.loads(value or "{}"))
    for name, label in FIELDS.items():
        if name in said:
            ids = said[name]
            said[name] = [meant(label, one) for one in ids] if isinstance(ids, list) else meant(label, ids)
    return said


def _partition(value: Any, row: Any, meant: Meant) -> Any:
    """documents.DocumentVersion.7"""
    label, _, key = value.rpartition(".")
    return meant(apps.get_model(label)._meta.label, key)


# Model -> column -> how its ids are read; pairs of a content type and an id are found by their GenericForeignKeys.
HIDDEN: dict[str, dict[str, Callable[[Any, Any, Meant], Any]]] = {
    ACTION: {"backend_data": _form},
    PARTITION: {"name": _partition},
}


# Originals and their like are FileFields of other storages than the default one.
FILES: dict[str, dict[str, Callable[[Any], Any]]] = {}
