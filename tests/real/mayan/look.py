"""Use a Mayan EDMS as people do, through its own web interface, and write down what it answers. Runs in Mayan's Python.

    python look.py --output FILE            the answers, the same for equal systems
    python look.py --output FILE --write    the same, and then add a document, as the next day of work would

It logs in with a password, lists and searches documents, opens some of them with all that hangs on them, downloads their
files, and looks with the eyes of a person who may see only some.
"""

import argparse
import hashlib
import io
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.test import Client  # noqa: E402
from mayan.apps.cabinets.models import Cabinet  # noqa: E402
from mayan.apps.documents.models.document_file_models import DocumentFile  # noqa: E402
from mayan.apps.documents.models.document_models import Document  # noqa: E402
from small_files import small_file  # noqa: E402

API = "/api/v4"
OPENED = 25
PARTS = ("files", "versions", "metadata", "tags", "cabinets", "comments", "indexes", "workflow_instances")
OBJECT_PARTS = ("acls", "events")


def main() -> None:
    """Look, write the answers down, and add a document if asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", required=True)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    settings.ALLOWED_HOSTS = ["testserver"]
    client = _logged_in(os.environ["MAYAN_AUTOADMIN_USERNAME"], os.environ["MAYAN_AUTOADMIN_PASSWORD"])
    documents = _all(client, "/documents/")
    answers = {"documents": documents}
    for kind in ("document_types", "tags", "cabinets", "metadata_types", "roles", "users", "workflow_templates"):
        answers[kind] = _all(client, f"/{kind}/")
    answers["trash"] = _all(client, "/trashed_documents/")
    step = max(1, len(documents) // OPENED)
    for document in documents[::step]:
        answers["document {}".format(document["id"])] = _opened(client, document["id"])
    answers["page"] = _page_of_documents(client, documents)
    answers["seen by others"] = _seen_by_others()
    answers["trees"] = _trees()
    Path(options.output).write_text(json.dumps(_without_visits(answers), indent=1, sort_keys=True))
    opened = [answer for name, answer in answers.items() if name.startswith("document ")]
    downloaded = sum(len(answer["files"]) for answer in opened)
    if options.write:
        _add_a_document(client, answers)
    sys.stdout.write(f"{len(documents)} documents listed, {len(opened)} opened, {downloaded} files downloaded\n")


def _logged_in(name: str, password: str) -> Client:
    """A browser that went through the login form."""
    client = Client()
    answer = client.post("/authentication/login/", {"username": name, "password": password}, follow=True)
    assert answer.status_code == 200, answer.status_code
    assert client.session.get("_auth_user_id"), f"the login form did not let {name} in"
    refused = Client()
    refused.post("/authentication/login/", {"username": name, "password": password + "x"}, follow=True)
    assert not refused.session.get("_auth_user_id"), "a wrong password was let in"
    return client


def _get(client: Client, path: str) -> Any:
    answer = client.get(API + path)
    assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.content[:300]}"
    return answer


def _all(client: Client, path: str) -> list:
    """Every page of a list."""
    found, number = [], 1
    while True:
        page = _get(client, f"{path}?page={number}&page_size=100").json()
        found += page["results"]
        if not page["next"]:
            assert len(found) == page["count"], path
            return found
        number += 1


def _opened(client: Client, number: int) -> dict:
    """A document with all that hangs on it; every file is downloaded and its bytes are hashed."""
    path = f"/documents/{number}/"
    opened = {"document": _get(client, path).json()}
    for part in PARTS:
        opened[part] = _all(client, f"{path}{part}/")
    for part in OBJECT_PARTS:
        opened[part] = _all(client, f"/objects/documents/document/{number}/{part}/")
    for one in opened["files"]:
        answer = _get(client, "{}files/{}/download/".format(path, one["id"]))
        digest = hashlib.sha256(b"".join(answer.streaming_content)).hexdigest()
        # What Mayan wrote down of the file when it came.
        assert digest == one["checksum"], f"document {number}: the file is not the one that was uploaded"
        assert one["size"] == DocumentFile.objects.get(pk=one["id"]).file.size
        one["pages"] = _all(client, "{}files/{}/pages/".format(path, one["id"]))
    for one in opened["workflow_instances"]:
        one["log"] = _all(client, "{}workflow_instances/{}/log_entries/".format(path, one["id"]))
    return opened


def _page_of_documents(client: Client, documents: list) -> bool:
    """The page that a person sees: the list of documents, with the first one's label on it."""
    answer = client.get("/documents/documents/")
    assert answer.status_code == 200, answer.status_code
    first = sorted(document["label"] for document in documents)[0]
    assert first in answer.content.decode(), f"the list of documents does not show {first}"
    return True


def _seen_by_others() -> dict[str, Any]:
    """What people who are no administrators may see: this is what access control lists come to."""
    seen = {}
    for user in get_user_model().objects.filter(is_superuser=False).order_by("pk")[:6]:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        seen[user.username] = {
            kind: [one["id"] for one in _all(client, f"/{kind}/")] for kind in ("documents", "tags", "cabinets")
        }
    return seen


def _trees() -> dict[str, str]:
    """The cabinets' tree through its counted columns, checked against its plain parents."""
    trees = {}
    for cabinet in Cabinet.objects.order_by("pk"):
        below, waiting = set(), [cabinet.pk]
        while waiting:
            children = list(Cabinet.objects.filter(parent_id=waiting.pop()).values_list("pk", flat=True))
            below.update(children)
            waiting += children
        assert below == {one.pk for one in cabinet.get_descendants()}, "the tree of cabinets is torn"
        trees[str(cabinet.pk)] = cabinet.get_full_path()
    return trees


def _without_visits(answer: Any) -> Any:
    """Without what looking itself changes, at any depth."""
    if isinstance(answer, dict):
        return {key: _without_visits(value) for key, value in answer.items() if key != "last_login"}
    return [_without_visits(one) for one in answer] if isinstance(answer, list) else answer


def _add_a_document(client: Client, answers: dict) -> None:
    """The next upload: it must get an id of its own, a place in the storage and its workflows."""
    known = {document["id"] for document in answers["documents"] + answers["trash"]}
    kind = Document.objects.get(pk=min(known)).document_type_id
    content = io.BytesIO(small_file("png", 1, random.Random(3))[1])
    content.name = "the day after.png"
    answer = client.post(API + "/documents/upload/", {"document_type_id": kind, "file": content})
    assert answer.status_code == 201, f"{answer.status_code} {answer.content[:500]}"
    number = answer.json()["id"]
    assert number > max(known), "the new document has the id of an old one"
    opened = _opened(client, number)
    assert [one["filename"] for one in opened["files"]] == ["the day after.png"]


if __name__ == "__main__":
    main()
