"""Fill a Wagtail site through Wagtail's own models and actions, as its editors would. Runs in Wagtail's Python.

    python populate.py --pages 120 --label A --seed 1

Two sites with other labels hold other pages, images and documents under the same ids and in the same places of the trees.
What has no label (the home page, a page about the house, some tags, groups, collections) is in both, under other ids.
"""

import argparse
import io
import random
import sys
import time

import django

django.setup()

from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.contenttypes.models import ContentType  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.images import ImageFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from editing import edit, hang_on, hold_back, start_workflows  # noqa: E402
from PIL import Image as Picture  # noqa: E402
from press.models import Article, Gallery, Imprint, Person, Question, QuestionPage, RelatedLink, Section, Topic  # noqa: E402
from site_parts import Parts  # noqa: E402
from streams import body_of, rich_text  # noqa: E402
from wagtail.documents.models import Document  # noqa: E402
from wagtail.images.models import Image  # noqa: E402
from wagtail.models import (  # noqa: E402
    Collection,
    CollectionViewRestriction,
    GroupCollectionPermission,
    GroupPagePermission,
    Locale,
    Page,
    Site,
)


def main() -> None:
    """Make what stands around the pages, the pages, and what happens to them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=120)
    parser.add_argument("--label", default="A")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    began = time.monotonic()
    # In one transaction, because there are thousands of small writes.
    with transaction.atomic():
        parts = make_parts(options.label, rng)
        make_pages(parts, options.pages, rng)
        edit(parts, rng)
        hang_on(parts, rng)
        start_workflows(parts)
        images = [_image(f"{options.label} held {number}", parts, rng) for number in range(3)]
        hold_back(parts, images, [_paper(number, parts, "held") for number in (97, 98)], rng)
    # As sites do at night: what was made bit by bit differs from what is made in one go.
    call_command("rebuild_references_index", verbosity=0)
    call_command("update_index", verbosity=0)
    counts = [model.objects.count() for model in (Page, Image, Document)]
    sys.stdout.write("{} pages, {} images, {} documents, {:.0f} s\n".format(*counts, time.monotonic() - began))


def make_parts(label: str, rng: random.Random) -> Parts:
    """People, languages, collections, files, snippets."""
    # What both have comes first in one and last in the other.
    names = [f"{label.lower()}-editor{number}" for number in range(5)]
    names = ["shared-editor", *names] if label == "A" else [*names, "shared-editor"]
    User.objects.create_user(f"{label} gone").delete()
    users = [User.objects.create_superuser(name, f"{name}@example.org", first_name="Ägidius") for name in names]
    User.objects.create_superuser("admin", password="päss-1")
    groups = [Group.objects.create(name=name) for name in (f"{label} readers", "Everyone", f"{label} writers")]
    for position, user in enumerate(users):
        user.groups.add(groups[position % 3])
    languages = ("fr", "de") if label == "A" else ("de", "fr")
    locales = {code: Locale.objects.get_or_create(language_code=code)[0] for code in ("en", *languages)}
    collections = _collections(label, groups)
    parts = Parts(label, users, groups, locales, collections)
    for number in range(18 if label == "A" else 13):
        _image(f"{label} skipped {number}", parts, rng).delete()
        Topic.objects.create(name=f"{label} skipped {number}").delete()
    parts.images = [_image(f"{label} image {number:02} 図", parts, rng) for number in range(24)]
    parts.papers = [_paper(number, parts) for number in range(16)]
    shared = ["Shared topic", "Common"]
    parts.topics = [Topic.objects.create(name=name) for name in (*shared, *(f"{label} topic {n}" for n in range(8)))]
    parts.people = [_person(number, parts) for number in range(9)]
    return parts


def _collections(label: str, groups: list[Group]) -> list[Collection]:
    root = Collection.get_first_root_node()
    both = root.add_child(name="Both")
    own = [root.add_child(name=f"{label} collection {number}") for number in range(4)]
    own[1].delete()
    below = both.add_child(name=f"{label} below both")
    deep = Collection.objects.get(pk=own[2].pk).add_child(name="Drawer").add_child(name=f"{label} folder")
    made = [one.__class__.objects.get(pk=one.pk) for one in (both, own[0], own[2], below, deep)]
    permissions = Permission.objects.filter(codename__in=("add_image", "add_document"))
    for position, one in enumerate(made[1:]):
        for permission in permissions:
            GroupCollectionPermission.objects.create(group=groups[position % 3], collection=one, permission=permission)
    restriction = CollectionViewRestriction.objects.create(
        collection=made[4], restriction_type=CollectionViewRestriction.GROUPS
    )
    restriction.groups.set(groups[:2])
    return made


def _image(title: str, parts: Parts, rng: random.Random) -> Image:
    content = io.BytesIO()
    colour = tuple(rng.randrange(256) for _ in range(3))
    Picture.new("RGB", (48 + rng.randrange(20), 40), colour).save(content, "PNG")
    # The same names in both sites.
    number = Image.objects.count()
    image = Image(
        title=title,
        file=ImageFile(io.BytesIO(content.getvalue()), name=f"photo {number:02}.png"),
        collection=rng.choice(parts.collections),
        uploaded_by_user=rng.choice(parts.users),
        description=f"of {title}",
    )
    if number % 3 == 0:
        image.focal_point_x, image.focal_point_y, image.focal_point_width, image.focal_point_height = 10, 12, 8, 8
    image.save()
    image.tags.add(f"{parts.label} tag", "common")
    image.get_renditions("width-20", "fill-12x12|format-webp")
    return image


def _paper(number: int, parts: Parts, kind: str = "paper") -> Document:
    file = ContentFile(f"{parts.label} paper {number}\r\n契約".encode(), name=f"report {number:02}.txt")
    paper = Document.objects.create(
        title=f"{parts.label} {kind} {number:02}",
        file=file,
        # The last lies where not everybody may look.
        collection=parts.collections[number % len(parts.collections)],
        uploaded_by_user=parts.users[number % len(parts.users)],
    )
    paper.tags.add("common", f"{parts.label} paper tag")
    return paper


def _person(number: int, parts: Parts) -> Person:
    person = Person.objects.create(
        name=f"{parts.label} person {number}",
        photo=parts.images[number],
        about=f'<p><embed alt="1" embedtype="image" format="left" id="{parts.images[-1 - number].pk}"/></p>',
        locale=parts.locales["en"],
    )
    person.save_revision(user=parts.users[number % 3], log_action=True).publish(user=parts.users[0])
    if number % 3 == 0:
        translated = person.copy_for_translation(parts.locales["de"])
        translated.name = f"{parts.label} Person {number}"
        translated.save()
        translated.save_revision(user=parts.users[1], log_action=True)
    return person


def make_pages(parts: Parts, count: int, rng: random.Random) -> None:
    """A section with articles in sections, translations and aliases; then what they refer to, when all are there."""
    home = Page.objects.get(depth=2, slug="home")
    about = Article(title="About the house", slug="about", owner=parts.users[0])
    home.add_child(instance=about)
    top = Section(title=f"{parts.label} section", slug=f"{parts.label.lower()}-section", owner=parts.users[1])
    home.add_child(instance=top)
    sections = [top]
    for number in range(4):
        section = Section(title=f"{parts.label} chapter {number}", slug=f"chapter-{number}")
        sections[number // 2].add_child(instance=section)
        sections.append(section)
    for number in range(count):
        slug = f"{parts.label.lower()}-article-{number:03}" if number % 4 else f"article-{number:03}"
        article = Article(title=f"{parts.label} article {number} größer", slug=slug, owner=rng.choice(parts.users))
        rng.choice(sections).add_child(instance=article)
        parts.articles.append(article)
        if number % 20 == 3:
            extra = Article(title="gone", slug=f"gone-{number}")
            top.add_child(instance=extra)
            extra.delete()
    parts.home, parts.about, parts.sections = home, about, sections
    if parts.label == "B":
        # In both sites, and other things in it.
        about.intro = rich_text(parts, rng)
        about.save()
    for article in parts.articles:
        _say(article, parts, rng)
    form = QuestionPage(title=f"{parts.label} questions", slug=f"{parts.label.lower()}-questions", intro="<p>?</p>")
    top.add_child(instance=form)
    for number, kind in enumerate(("singleline", "number", "multiline")):
        Question.objects.create(page=form, label=f"How many {number}", field_type=kind, sort_order=number)
    for number in range(6):
        form.get_submission_class().objects.create(page=form, form_data={"how_many_0": "ja", "how_many_1": str(number)})
    _sites(parts)


def _say(article: Article, parts: Parts, rng: random.Random) -> None:
    """A page with references of every kind, as its editor saves and publishes it."""
    article.intro = rich_text(parts, rng)
    article.cover, article.paper = rng.choice(parts.images), rng.choice(parts.papers)
    article.topics = rng.sample(parts.topics, 2)
    article.tags.add("Common tag", f"{parts.label} tag {rng.randrange(5)}")
    article.body = body_of(parts, rng)
    # Counted, as the editor does.
    article.gallery = [
        Gallery(image=rng.choice(parts.images), caption=f"Picture {number}", sort_order=number) for number in range(2)
    ]
    article.related = [
        RelatedLink(page=rng.choice(parts.articles), name="1", sort_order=0),
        RelatedLink(paper=rng.choice(parts.papers), name="2", sort_order=1),
    ]
    article.save()
    article.save_revision(user=article.owner, log_action=True).publish(user=article.owner)


def _sites(parts: Parts) -> None:
    site = Site.objects.create(
        hostname=f"{parts.label.lower()}.example.org", root_page=parts.sections[1], site_name="二"
    )
    Imprint.objects.create(
        site=site,
        logo=parts.images[0],
        contact=parts.articles[2],
        footer=f'<p><a id="{parts.articles[3].pk}" linktype="page">us</a></p>',
    )
    page_permissions = Permission.objects.filter(content_type=ContentType.objects.get_for_model(Page))
    for position, section in enumerate(parts.sections):
        for permission in page_permissions.filter(codename__in=("change_page", "publish_page")):
            GroupPagePermission.objects.create(group=parts.groups[position % 3], page=section, permission=permission)


if __name__ == "__main__":
    main()
