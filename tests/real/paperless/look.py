"""Use a paperless-ngx as people do, through its own interface, and write down what it answers. Runs in paperless's Python.

    python look.py --output FILE            the answers, the same for equal systems
    python look.py --output FILE --write    the same, and then work on, as on the next day

It lists everything, opens some documents with all that hangs on them, downloads their files, searches, asks with the
queries that workflows keep, looks with the eyes of people who may see only some, and runs paperless's own sanity checker.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from documents.sanity_checker import check_sanity  # noqa: E402
from paperless.celery import app  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

from documents.models import Document, WorkflowTrigger  # noqa: E402

OPENED = 25
LISTS = (
    "correspondents",
    "custom_fields",
    "document_types",
    "groups",
    "mail_accounts",
    "mail_rules",
    "saved_views",
    "share_link_bundles",
    "share_links",
    "storage_paths",
    "tags",
    "tasks",
    "trash",
    "users",
    "workflow_actions",
    "workflow_triggers",
    "workflows",
)
# Of what the interface answers, not of what is stored: who is asked about, and how it was found just now.
VOLATILE = {"last_login", "__search_hit__"}
# Of workflows: sets of rows that have no order of their own, which PostgreSQL gives out as it reads them.
UNORDERED = ("assign_", "filter_", "remove_")


def main() -> None:
    """Look, write the answers down, and work on if asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    settings.ALLOWED_HOSTS = ["testserver"]
    # There is no worker here: what is sent to one is done at once.
    app.conf.task_always_eager = True
    client = _client(User.objects.get(username="admin"))
    documents = _all(client, "documents")
    answers: dict[str, Any] = {"documents": documents, **{name: _all(client, name) for name in LISTS}}
    answers["statistics"] = _get(client, "statistics/").json()
    answers["config"] = _get(client, "config/").json()
    step = max(1, len(documents) // OPENED)
    opened = documents[::step]
    for document in opened:
        answers[f"document {document['id']}"] = _opened(client, document["id"])
    answers["found"] = {word: _ids(client, f"documents/?query={word}") for word in ("rechnung", "invoice")}
    answers["asked"] = _asked(client)
    answers["seen by others"] = _seen_by_others()
    answers["sanity"] = _sanity()
    Path(options.output).write_text(json.dumps(_without_visits(answers), indent=1, sort_keys=True))
    assert answers["found"]["rechnung"], "the search found nothing"
    assert any(answers["asked"].values()), "no query of a workflow found anything"
    if options.write:
        _work_on(client, documents)
    found = len(answers["found"]["rechnung"])
    sys.stdout.write(f"{len(documents)} documents listed, {len(opened)} opened, {found} found by a word\n")


def _client(user: User) -> APIClient:
    """A person at the interface, without the session that a login would write."""
    client = APIClient()
    client.force_authenticate(user)
    return client


def _get(client: APIClient, path: str) -> Any:
    answer = client.get(f"/api/{path}")
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.content[:300]!r}"
    return answer


def _all(client: APIClient, name: str) -> list:
    """Every page of a list."""
    page = _get(client, f"{name}/?page_size=100").json()
    if isinstance(page, list):
        return page
    found, number = page["results"], 1
    while page["next"]:
        number += 1
        page = _get(client, f"{name}/?page_size=100&page={number}").json()
        found += page["results"]
    assert len(found) == page["count"], name
    # Some lists have no order of their own.
    return sorted(found, key=lambda one: one["id"])


def _ids(client: APIClient, path: str) -> list[int]:
    return sorted(one["id"] for one in _get(client, f"{path}&page_size=100000").json()["results"])


def _opened(client: APIClient, number: int) -> dict:
    """A document with all that hangs on it; its files are downloaded and their bytes are hashed."""
    path = f"documents/{number}/"
    document = Document.objects.get(pk=number)
    answer = {"document": _get(client, path).json()}
    for part in ("notes", "history"):
        answer[part] = _get(client, f"{path}{part}/").json()
    # One file is missing on purpose.
    if document.source_path.is_file():
        answer["metadata"] = _get(client, f"{path}metadata/").json()
        kept = hashlib.sha256(_body(_get(client, f"{path}download/?original=true"))).hexdigest()
        if document.root_document_id is None and not document.versions.exists():
            assert kept == document.checksum, f"document {number}: the file is not the one that came in"
        answer["original"] = kept
    answer["thumbnail"] = hashlib.sha256(_body(_get(client, f"{path}thumb/"))).hexdigest()
    return answer


def _body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content


def _asked(client: APIClient) -> dict[str, list[int]]:
    """What the queries that workflows keep find today."""
    queries = WorkflowTrigger.objects.exclude(filter_custom_field_query=None).order_by("pk")
    return {str(one.pk): _query(client, one.filter_custom_field_query) for one in queries}


def _query(client: APIClient, query: str) -> list[int]:
    answer = client.get("/api/documents/", {"custom_field_query": query, "page_size": 100_000})
    assert answer.status_code == 200, f"{query}: {answer.status_code} {answer.content[:300]!r}"
    return sorted(one["id"] for one in answer.json()["results"])


def _seen_by_others() -> dict[str, dict[str, list[int]]]:
    """What people who are no administrators may see: this is what permissions on objects come to."""
    others = User.objects.filter(is_superuser=False, is_active=True).order_by("pk")
    return {
        user.username: {name: _ids(_client(user), f"{name}/?") for name in ("documents", "tags")}
        for user in others
        if user.has_perm("documents.view_document")
    }


def _sanity() -> dict[str, list[str]]:
    """What paperless's own checker says of each document."""
    return {
        str(number): sorted(f"{one['level']} {one['message']}" for one in messages)
        for number, messages in check_sanity().iter_messages()
    }


def _without_visits(answer: Any) -> Any:
    """Without what looking itself changes, and sets of ids in order, at any depth."""
    if isinstance(answer, dict):
        return {key: _in_order(key, _without_visits(value)) for key, value in answer.items() if key not in VOLATILE}
    return [_without_visits(one) for one in answer] if isinstance(answer, list) else answer


def _in_order(key: str, value: Any) -> Any:
    """A set of ids, sorted."""
    ids = key.startswith(UNORDERED) and isinstance(value, list) and all(isinstance(one, int) for one in value)
    return sorted(value) if ids else value


def _work_on(client: APIClient, documents: list) -> None:
    """The next day: a new tag gets an id of its own, a document gets it, and the search knows."""
    answer = client.post("/api/tags/", {"name": "the day after", "color": "#00ff00"}, format="json")
    assert answer.status_code == 201, f"{answer.status_code} {answer.content[:500]!r}"
    tag = answer.json()["id"]
    number = documents[0]["id"]
    before = documents[0]["tags"]
    answer = client.patch(f"/api/documents/{number}/", {"title": "renamed", "tags": [*before, tag]}, format="json")
    assert answer.status_code == 200, f"{answer.status_code} {answer.content[:500]!r}"
    assert _ids(client, f"documents/?tags__id__all={tag}") == [number]
    answer = client.post(f"/api/documents/{number}/notes/", {"note": "the day after"}, format="json")
    assert answer.status_code == 200, f"{answer.status_code} {answer.content[:500]!r}"
    assert number in _ids(client, "documents/?query=renamed"), "the search does not know the new title"


if __name__ == "__main__":
    main()
