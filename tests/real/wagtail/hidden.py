"""Every place of the Wagtail site under test that holds ids without a foreign key, and what its rows go by.

Read off Wagtail 8.0 itself: its models, its blocks, its log. Each function is given the value, the row and
`meant(label, id)`, and gives the value with what the ids mean in their place. StreamFields are walked by the site's own
blocks, and revisions by the site's own models, so that no place of an id in them is named here.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db.models import ForeignKey, ManyToManyField
from modelcluster.models import get_all_child_relations
from wagtail import blocks
from wagtail.documents.blocks import DocumentChooserBlock
from wagtail.fields import RichTextField, StreamField
from wagtail.images.blocks import ImageBlock
from wagtail.models import Page

Meant = Callable[[str, Any], str]

PAGE, REVISION = "wagtailcore.Page", "wagtailcore.Revision"
IMAGE, DOCUMENT, RENDITION = "wagtailimages.Image", "wagtaildocs.Document", "wagtailimages.Rendition"
INDEX, SEARCH_INDEX = "wagtailcore.ReferenceIndex", "wagtailsearch.IndexEntry"
PAGES = [model._meta.label for model in apps.get_models() if issubclass(model, Page)]

LEFT_OUT = {"sessions.Session", "contenttypes.ContentType", "auth.Permission", "wagtailsearch.SQLiteFTSIndexEntry"}
REMADE = {INDEX: "object_id", SEARCH_INDEX: "object_id"}
RECOUNTED = {
    **{key: {"path", "numchild"} for key in (*PAGES, "wagtailcore.Collection")},
    **{key: {"file"} for key in (IMAGE, DOCUMENT, RENDITION, "wagtailcore.UploadedFile")},
    # How long a title is, compared with all others; texts have tags in the order of their ids, and stand in other columns on each
    # engine. Searches show what they are good for.
    SEARCH_INDEX: {
        f"{column}{kind}" for column in ("title", "autocomplete", "body") for kind in ("", "_norm", "_text")
    },
}


def _way(row: Any) -> list[str]:
    """The slugs on the way to a page, or the names on the way to a collection."""
    above = [row.path[:end] for end in range(row.steplen, len(row.path) + 1, row.steplen)]
    model = Page if isinstance(row, Page) else type(row)
    name = "slug" if model is Page else "name"
    return list(model._base_manager.filter(path__in=above).order_by("path").values_list(name, flat=True))


# What rows are known by; all others by everything that they say.
IDENTITY: dict[str, tuple[Any, ...]] = {
    "auth.User": ("username",),
    "auth.Group": ("name",),
    "auth.Permission": ("content_type", "codename"),
    "contenttypes.ContentType": ("app_label", "model"),
    **dict.fromkeys((*PAGES, "wagtailcore.Collection"), (_way,)),
    "wagtailcore.Site": ("hostname", "port"),
    "wagtailcore.Locale": ("language_code",),
    REVISION: ("created_at", "object_str"),
    IMAGE: ("created_at", "title"),
    DOCUMENT: ("created_at", "title"),
    RENDITION: ("image", "filter_spec", "focal_point_key"),
    "wagtailcore.Comment": ("created_at", "text"),
    "wagtailcore.CommentReply": ("created_at", "comment"),
    "wagtailcore.Workflow": ("name",),
    "wagtailcore.Task": ("name",),
    "wagtailcore.GroupApprovalTask": ("name",),
    "wagtailcore.WorkflowState": ("created_at", "workflow"),
    "wagtailcore.TaskState": ("started_at", "workflow_state"),
    "wagtailusers.UserProfile": ("user",),
    SEARCH_INDEX: ("content_type", "object_id"),
    "wagtailsearchpromotions.Query": ("query_string",),
    "wagtailsearchpromotions.QueryDailyHits": ("query", "date"),
    "wagtailredirects.Redirect": ("old_path", "site"),
    "taggit.Tag": ("name",),
    "press.Topic": ("name",),
    "press.Person": ("name", "locale"),
    "press.Imprint": ("site",),
}


def gone(key: Any) -> str:
    """An id without a row."""
    return "NO SUCH ROW"


def _rich_text(text: Any, row: Any, meant: Meant) -> Any:
    """Its tags are read one by one, as browsers do: attributes in any order."""

    def read(found: re.Match[str]) -> str:
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', found[0]))
        kind = attributes.get("linktype") or attributes.get("embedtype")
        label = {"page": PAGE, "document": DOCUMENT, "image": IMAGE}.get(kind or "")
        return json.dumps([kind, meant(label, attributes["id"]), sorted(attributes)]) if label else found[0]

    return re.sub(r"<(?:a|embed)\b[^>]*>", read, text) if isinstance(text, str) else text


def _block(block: Any, value: Any, row: Any, meant: Meant) -> Any:
    """The raw value of a block, read as its definition says."""
    if value is None:
        return None
    if isinstance(block, ImageBlock):
        return {**value, "image": meant(IMAGE, value["image"])}
    if isinstance(block, blocks.ChooserBlock):
        label = DOCUMENT if isinstance(block, DocumentChooserBlock) else block.target_model._meta.label
        return meant(label, value)
    if isinstance(block, blocks.RichTextBlock):
        return _rich_text(value, row, meant)
    if isinstance(block, blocks.StructBlock):
        return {name: _block(block.child_blocks[name], one, row, meant) for name, one in value.items()}
    if isinstance(block, blocks.ListBlock):
        return [{**one, "value": _block(block.child_block, one["value"], row, meant)} for one in value]
    if isinstance(block, blocks.StreamBlock):
        return [{**one, "value": _block(block.child_blocks[one["type"]], one["value"], row, meant)} for one in value]
    return value


def _stream(block: Any) -> Callable[[Any, Any, Meant], Any]:
    def read(value: Any, row: Any, meant: Meant) -> Any:
        raw = json.loads(value) if isinstance(value, str) else value
        return _block(block, list(getattr(raw, "raw_data", raw)), row, meant)

    return read


# Of a copy of a page, its place in the tree: Wagtail takes it from the page itself.
PLACE = {"path", "depth", "numchild", "url_path"}


def _copy(model: Any, data: dict[str, Any], row: Any, meant: Meant) -> dict[str, Any]:
    """A row as JSON, with the rows that belong to it."""
    children = {one.get_accessor_name(): one.related_model for one in get_all_child_relations(model)}
    fields = {one.name: one for one in (*model._meta.concrete_fields, *model._meta.many_to_many)}
    said: dict[str, Any] = {}
    for name, value in data.items():
        field = fields.get(name)
        if name in children:
            said[name] = [_copy(children[name], one, row, meant) for one in value]
        elif name == "pk":
            said[name] = None if value is None else meant(model._meta.label, value)
        elif isinstance(field, ForeignKey):
            said[name] = None if value is None else meant(field.related_model._meta.label, value)
        elif isinstance(field, ManyToManyField):
            said[name] = [meant(field.related_model._meta.label, one) for one in value]
        elif name not in PLACE:
            reader = READERS.get(type(field))
            said[name] = reader(field)(value, row, meant) if reader else value
    return said


READERS: dict[type, Callable[[Any], Callable[[Any, Any, Meant], Any]]] = {
    RichTextField: lambda field: _rich_text,
    StreamField: lambda field: _stream(field.stream_block),
}


def _model(content_type: Any) -> Any:
    return ContentType.objects.get_for_id(content_type).model_class()


def _revision(value: Any, row: Any, meant: Meant) -> Any:
    return _copy(_model(row.content_type_id), value, row, meant)


def _by_type(column: str) -> Callable[[Any, Any, Meant], Any]:
    """An id whose model is in the column beside it."""
    return lambda value, row, meant: meant(_model(getattr(row, column))._meta.label, value)


# What the log tells: {"revision": {"id": 7, …}, "workflow": {"id": 2, "task": {"id": 3}}}.
LOGGED = {
    "revision": REVISION,
    "page": PAGE,
    "source": PAGE,
    "destination": PAGE,
    "locale": "wagtailcore.Locale",
    "source_locale": "wagtailcore.Locale",
    "comment": "wagtailcore.Comment",
    "reply": "wagtailcore.CommentReply",
    "workflow": "wagtailcore.Workflow",
    "task": "wagtailcore.Task",
    "next": "wagtailcore.Task",
}


def _logged(value: Any, row: Any, meant: Meant) -> Any:
    if not isinstance(value, dict):
        return value
    answer: dict[str, Any] = {}
    for name, one in value.items():
        answer[name] = _logged(one, row, meant)
        if isinstance(one, dict) and "id" in one:
            answer[name]["id"] = meant(LOGGED[name], one["id"])
        if name == "task_state_id" and one is not None:
            answer[name] = meant("wagtailcore.TaskState", one)
    return answer


def _path(value: Any, row: Any, meant: Meant) -> Any:
    """gallery.12.image: with the id of a row that belongs to the page; such rows may have rows of their own."""
    said, model, rest = [], _model(row.content_type_id), value.split(".")
    while rest:
        children = {one.get_accessor_name(): one.related_model for one in get_all_child_relations(model)}
        if rest[0] not in children:
            break
        name, key, *rest = rest
        model = children[name]
        said += [name, meant(model._meta.label, key)]
    return [*said, *rest]


def _not_said(value: Any, row: Any, meant: Meant) -> Any:
    """A hash of what is compared anyway."""
    return None


# Model -> column -> how its ids are read.
HIDDEN: dict[str, dict[str, Callable[[Any, Any, Meant], Any]]] = {
    REVISION: {"content": _revision},
    "wagtailcore.PageLogEntry": {"data": _logged},
    "wagtailcore.ModelLogEntry": {"data": _logged, "object_id": _by_type("content_type_id")},
    INDEX: {
        "object_id": _by_type("content_type_id"),
        "to_object_id": _by_type("to_content_type_id"),
        "content_path": _path,
        "content_path_hash": _not_said,
    },
    **{
        model._meta.label: {
            field.name: READERS[type(field)](field) for field in model._meta.concrete_fields if type(field) in READERS
        }
        for model in apps.get_models()
        if any(type(field) in READERS for field in model._meta.concrete_fields)
    },
}

# All files are FileFields.
FILES: dict[str, dict[str, Callable[[Any], Any]]] = {}
