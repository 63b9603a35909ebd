"""Every place of a paperless-ngx that holds ids without a foreign key, and what its rows and files go by.

Read off paperless-ngx 3.0.5 itself: its models, its API and its web interface. Each function is given the value, the row
and `meant(label, id)`, and gives the value with what the ids mean in their place.
"""

import json
from collections.abc import Callable
from typing import Any

from django.contrib.contenttypes.models import ContentType

from documents.models import CustomField, Tag

Meant = Callable[[str, Any], str]

CORRESPONDENT, DOCUMENT, FIELD, PATH, TAG, TYPE, VIEW = (
    f"documents.{name}"
    for name in ("Correspondent", "Document", "CustomField", "StoragePath", "Tag", "DocumentType", "SavedView")
)
USER, GROUP, MAIL_RULE = "auth.User", "auth.Group", "paperless_mail.MailRule"

# Rows of no use to anybody who has them from elsewhere.
LEFT_OUT = {"sessions.Session", "contenttypes.ContentType", "auth.Permission"}
# What paperless counts from other columns, and the names that files go by.
RECOUNTED = {
    TAG: {one.name for one in Tag._meta.concrete_fields if one.name.startswith("tn_")} - {"tn_parent"},
    DOCUMENT: {"filename", "archive_filename"},
}

# What rows are known by; all others by everything that they say.
IDENTITY: dict[str, tuple[str, ...]] = {
    USER: ("username",),
    GROUP: ("name",),
    "auth.Permission": ("content_type", "codename"),
    "contenttypes.ContentType": ("app_label", "model"),
    **dict.fromkeys((CORRESPONDENT, TYPE, TAG, PATH, VIEW, MAIL_RULE), ("name", "owner")),
    DOCUMENT: ("checksum", "added"),
    FIELD: ("name",),
    "documents.CustomFieldInstance": ("document", "field"),
    "documents.PaperlessTask": ("task_id",),
    "documents.ShareLink": ("slug",),
    "documents.ShareLinkBundle": ("slug",),
    "documents.UiSettings": ("user",),
    "documents.Workflow": ("name",),
    "paperless_mail.MailAccount": ("name",),
    # One row in each system, whatever it says.
    "paperless.ApplicationConfiguration": (),
    "authtoken.Token": ("user",),
    "account.EmailAddress": ("user", "email"),
    "socialaccount.SocialAccount": ("provider", "uid"),
    "guardian.UserObjectPermission": ("user", "permission", "object_pk"),
    "guardian.GroupObjectPermission": ("group", "permission", "object_pk"),
}

RULES = {
    **dict.fromkeys((3, 26, 27), CORRESPONDENT),
    **dict.fromkeys((4, 28, 29), TYPE),
    **dict.fromkeys((6, 17, 22), TAG),
    **dict.fromkeys((25, 30, 31), PATH),
    **dict.fromkeys((32, 33, 35, 37), USER),
    **dict.fromkeys((38, 39, 40), FIELD),
    21: DOCUMENT,
}
QUERY_RULE = 42
NOT_ASSIGNED = "-1"


def gone(key: Any) -> str:
    """An id without a row."""
    return "NO SUCH ROW"


def _column(value: Any, row: Any, meant: Meant) -> Any:
    """title, or custom_field_7."""
    head, _, number = str(value).rpartition("_")
    return meant(FIELD, number) if head == "custom_field" else value


def _columns(value: Any, row: Any, meant: Meant) -> Any:
    return value and [_column(one, row, meant) for one in value]


def _rule(value: Any, row: Any, meant: Meant) -> Any:
    if not value or value == NOT_ASSIGNED:
        return value
    if row.rule_type == QUERY_RULE:
        return _query(value, row, meant)
    return meant(RULES[row.rule_type], value) if row.rule_type in RULES else value


def _query(value: Any, row: Any, meant: Meant) -> Any:
    """JSON in text: [field, operator, value], or [AND, [...]], or [NOT, [...]], at any depth."""
    return value and _expression(json.loads(value), meant)


def _expression(query: Any, meant: Meant) -> Any:
    if len(query) == 2:
        below = query[1]
        return [
            query[0],
            _expression(below, meant) if query[0] == "NOT" else [_expression(one, meant) for one in below],
        ]
    field, operator, operand = query
    if isinstance(field, int):
        linked = CustomField.objects.get(pk=field).data_type == "documentlink"
        if linked and isinstance(operand, list):
            operand = [meant(DOCUMENT, one) for one in operand]
        field = meant(FIELD, field)
    return [field, operator, operand]


def _documents(value: Any, row: Any, meant: Meant) -> Any:
    return value and [meant(DOCUMENT, one) for one in value]


def _values_by_field(value: Any, row: Any, meant: Meant) -> Any:
    """{field: value}; the value of a link is a list of documents."""
    linked = set(CustomField.objects.filter(data_type="documentlink").values_list("pk", flat=True))
    return value and {
        meant(FIELD, key): _documents(one, row, meant) if int(key) in linked else one for key, one in value.items()
    }


def _settings(value: Any, row: Any, meant: Meant) -> Any:
    if not isinstance(value, dict):
        return value
    answer = dict(value)
    answer["saved_views"] = {
        name: [meant(VIEW, one) for one in ids] if isinstance(ids, list) else ids
        for name, ids in value.get("saved_views", {}).items()
    }
    answer["permissions"] = {
        name: [meant(GROUP if name.endswith("groups") else USER, one) for one in ids]
        if isinstance(ids, list)
        else ids and meant(USER, ids)
        for name, ids in value.get("permissions", {}).items()
    }
    return answer


OVERRIDES = {
    "correspondent_id": CORRESPONDENT,
    "document_type_id": TYPE,
    "storage_path_id": PATH,
    "tag_ids": TAG,
    "owner_id": USER,
    "actor_id": USER,
    "view_users": USER,
    "view_groups": GROUP,
    "change_users": USER,
    "change_groups": GROUP,
}


def _task_input(value: Any, row: Any, meant: Meant) -> Any:
    answer = dict(value)
    if "mailrule_id" in answer:
        answer["mailrule_id"] = meant(MAIL_RULE, answer["mailrule_id"])
    if "account_ids" in answer:
        answer["account_ids"] = [meant("paperless_mail.MailAccount", one) for one in answer["account_ids"]]
    if "overrides" in answer:
        over = dict(answer["overrides"])
        for name, label in OVERRIDES.items():
            if name in over:
                ids = over[name]
                over[name] = [meant(label, one) for one in ids] if isinstance(ids, list) else meant(label, ids)
        over["custom_fields"] = _values_by_field(over.get("custom_fields"), row, meant)
        answer["overrides"] = over
    return answer


def _task_result(value: Any, row: Any, meant: Meant) -> Any:
    names = ("document_id", "duplicate_of")
    return value and {key: meant(DOCUMENT, one) if key in names else one for key, one in value.items()}


def _by_content_type(value: Any, row: Any, meant: Meant) -> Any:
    """An id whose model is in the column beside it."""
    if value is None:
        return None
    return meant(ContentType.objects.get(pk=row.content_type_id).model_class()._meta.label, value)


# What the log says of foreign keys: [the id before, the id after], as text.
LOGGED = {
    "correspondent": CORRESPONDENT,
    "document_type": TYPE,
    "storage_path": PATH,
    "owner": USER,
    "user": USER,
    "root_document": DOCUMENT,
    "document": DOCUMENT,
    "field": FIELD,
    "tn_parent": TAG,
}


def _changes(value: Any, row: Any, meant: Meant) -> Any:
    answer = dict(value or {})
    own = ContentType.objects.get(pk=row.content_type_id).model_class()._meta.label
    for name, label in {**LOGGED, "id": own}.items():
        if isinstance(answer.get(name), list):
            answer[name] = [meant(label, one) if str(one).isdigit() else one for one in answer[name]]
    # Of the links of a field, as JSON in text.
    if isinstance(links := answer.get("value_document_ids"), list):
        answer["value_document_ids"] = [
            [meant(DOCUMENT, id_) for id_ in json.loads(one)] if str(one).startswith("[") else one for one in links
        ]
    for name in ("ancestors", "children", "descendants", "siblings"):
        if isinstance(counted := answer.get(f"tn_{name}_pks"), list):
            answer[f"tn_{name}_pks"] = [_tags(one, row, meant) if one[:1].isdigit() else one for one in counted]
    return answer


def _tags(value: Any, row: Any, meant: Meant) -> Any:
    return [meant(TAG, one) for one in value.split(",") if one]


# Model -> column -> how its ids are read.
HIDDEN: dict[str, dict[str, Callable[[Any, Any, Meant], Any]]] = {
    VIEW: {"sort_field": _column, "display_fields": _columns},
    "documents.SavedViewFilterRule": {"value": _rule},
    "documents.CustomFieldInstance": {"value_document_ids": _documents},
    "documents.WorkflowTrigger": {"filter_custom_field_query": _query},
    "documents.WorkflowAction": {"assign_custom_fields_values": _values_by_field},
    "documents.UiSettings": {"settings": _settings},
    "documents.PaperlessTask": {"input_data": _task_input, "result_data": _task_result},
    "auditlog.LogEntry": {"object_pk": _by_content_type, "object_id": _by_content_type, "changes": _changes},
    "admin.LogEntry": {"object_id": _by_content_type},
    "guardian.UserObjectPermission": {"object_pk": _by_content_type},
    "guardian.GroupObjectPermission": {"object_pk": _by_content_type},
    TAG: {f"tn_{name}_pks": _tags for name in ("ancestors", "children", "descendants", "siblings")},
}

# Model -> what its files are called here -> where they lie; thumbnails are named by the document's id.
FILES: dict[str, dict[str, Callable[[Any], Any]]] = {
    DOCUMENT: {
        "original content": lambda row: row.source_path,
        "archive content": lambda row: row.archive_path,
        "thumbnail content": lambda row: row.thumbnail_path,
    },
    "documents.ShareLinkBundle": {"bundle content": lambda row: row.absolute_file_path},
}
