"""Use the Wagtail site as its readers and editors do, and write down what it answers. Runs in Wagtail's Python.

    python look.py --output FILE                  the answers, the same for equal sites
    python look.py --output FILE --write          the same, and then work on, as on the next day
    python look.py --compare SOURCE TARGET MERGED     of answers: each page of both sites must be as it was

It fetches every page through the site's own URLs, and its draft as an editor would see it; follows links to documents and
pictures, which stand in the answers as the hashes of what they lead to; follows redirects; searches.
"""

import argparse
import hashlib
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from django.utils import translation  # noqa: E402
from press.models import Article, Person  # noqa: E402
from wagtail.contrib.redirects.models import Redirect  # noqa: E402
from wagtail.images.models import Rendition  # noqa: E402
from wagtail.models import Collection, Page  # noqa: E402
from wagtail.search.backends import get_search_backend  # noqa: E402

WORDS = ("größer", "article", "picture", "elsewhere", "changed")


def main() -> int:
    """Look, write the answers down, and work on if asked; or compare answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--compare", type=Path, nargs=3)
    options = parser.parse_args()
    if options.compare:
        return compare(*(json.loads(path.read_text()) for path in options.compare))
    pages = list(Page.objects.exclude(content_type__model="page").order_by("path").specific())
    answers: dict[str, Any] = {
        "pages": {_name(page): _page(page) for page in pages},
        "redirects": {one.old_path: _followed(one) for one in Redirect.objects.order_by("old_path")},
        "found": {word: _found(word) for word in WORDS},
        "people": sorted(one.name for one in get_search_backend().search("person", Person)),
        "torn trees": [[list(found) for found in model.find_problems()] for model in (Page, Collection)],
    }
    assert answers["torn trees"] == [[[]] * 5] * 2, f"find_problems() says {answers['torn trees']}"
    assert all(answers["found"][word] for word in WORDS[:2]), "the search found nothing"
    options.output.write_text(json.dumps(answers, indent=1, sort_keys=True))
    if options.write:
        _work_on(pages)
    live = sum("live" in one for one in answers["pages"].values())
    sys.stdout.write(f"{len(pages)} pages, {live} of them live, {Rendition.objects.count()} renditions\n")
    return 0


def _name(page: Page) -> str:
    return f"{page.locale.language_code} {page.url_path}"


def _page(page: Page) -> dict[str, Any]:
    """What readers get of it, and what its editors have waiting."""
    answer: dict[str, Any] = {"owner": page.owner and page.owner.username}
    if page.live:
        parts = urlsplit(page.full_url)
        got = Client().get(parts.path, HTTP_HOST=parts.netloc)
        restricted = page.get_view_restrictions().exists()
        assert restricted or got.status_code == 200, f"{page.full_url}: {got.status_code}"
        answer["live"] = [got.status_code, page.full_url, None if restricted else _links_followed(got.content)]
        if restricted:
            answer["behind the restriction"] = _served(page)
    if page.latest_revision_id:
        draft = page.get_latest_revision_as_object()
        answer["draft"] = [draft.title, _served(draft)]
    return answer


def _served(page: Page) -> str:
    """What the page says itself, without asking who may see it."""
    with translation.override(page.locale.language_code):
        answer = page.serve(RequestFactory().get("/", HTTP_HOST="localhost"))
        return _links_followed(answer.render().content)


def _links_followed(content: bytes) -> str:
    """The page with the hash of what is there in place of each link to a file."""
    text = re.sub(r'(src)="(/media/[^"]*)"', _picture, content.decode())
    return re.sub(r'(href)="(/documents/[^"]*)"', _document, text)


def _picture(found: re.Match[str]) -> str:
    path = Path(settings.MEDIA_ROOT, unquote(found[2]).removeprefix(settings.MEDIA_URL))
    return f"{found[1]}={hashlib.sha256(path.read_bytes()).hexdigest()}"


def _document(found: re.Match[str]) -> str:
    return f"{found[1]}={_downloaded(found[2])}"


@cache
def _downloaded(path: str) -> str:
    """The hash of a document, or the status where not everybody may have it."""
    got = Client().get(path)
    return (
        hashlib.sha256(b"".join(got.streaming_content)).hexdigest() if got.status_code == 200 else str(got.status_code)
    )


def _followed(redirect: Redirect) -> list[Any]:
    got = Client().get(redirect.old_path, HTTP_HOST="localhost")
    return [got.status_code, got.headers.get("Location")]


def _found(word: str) -> list[str]:
    return list(Client().get("/search/", {"query": word}, HTTP_HOST="localhost").json()["found"])


def compare(source: dict[str, Any], target: dict[str, Any], merged: dict[str, Any]) -> int:
    """Each page and redirect as it was in the site it is from; the target's where both have it. The search knows both."""
    wrong = []
    for kind in ("pages", "redirects"):
        expected = {**source[kind], **target[kind]}
        for name in sorted(expected.keys() | merged[kind].keys()):
            if expected.get(name) != merged[kind].get(name):
                wrong.append(f"{name} was {str(expected.get(name))[:2000]}, is {str(merged[kind].get(name))[:2000]}")
    for word in WORDS:
        expected_titles = set(source["found"][word]) | set(target["found"][word])
        if expected_titles != set(merged["found"][word]):
            wrong.append(
                f"a search for {word} finds others: {sorted(expected_titles ^ set(merged['found'][word]))[:5]}"
            )
    if sorted({*source["people"], *target["people"]}) != sorted(set(merged["people"])):
        wrong.append("a search for people finds others")
    sys.stdout.writelines(f"{line}\n" for line in wrong[:8])
    sys.stdout.write(f"{len(merged['pages'])} pages, {len(merged['redirects'])} redirects: {len(wrong)} differ\n")
    return 1 if wrong else 0


def _work_on(pages: list[Page]) -> None:
    """The next day: a new page gets an id and a place of its own, is published, found and read; an old one is moved."""
    known = set(Page.objects.values_list("pk", flat=True))
    # Not the first one, in which the page that will be deleted is the last.
    section = [page for page in pages if page.get_children().exists()][-1]
    page = Article(title="The day after", slug="the-day-after", intro="<p>morning</p>")
    section.add_child(instance=page)
    page.save_revision().publish()
    assert page.pk not in known and page.pk > max(known), "the new page has the id of an old one"
    assert "The day after" in _found("morning"), "the search does not know the new page"
    moved = (
        Article.objects.exclude(pk=page.pk).exclude(slug="to-be-deleted").filter(alias_of=None).order_by("pk").last()
    )
    moved.move(Page.objects.get(pk=section.pk), pos="first-child")
    assert not any(Page.find_problems()), f"find_problems() says {Page.find_problems()}"


if __name__ == "__main__":
    sys.exit(main())
