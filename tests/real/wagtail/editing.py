"""What happens to the pages of a site: drafts, moves, translations, aliases, redirects, comments, workflows, restrictions."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone
from press.models import Article, Gallery
from site_parts import Parts
from streams import body_of, rich_text
from wagtail.contrib.redirects.models import Redirect
from wagtail.contrib.search_promotions.models import Query, SearchPromotion
from wagtail.embeds.models import Embed
from wagtail.models import (
    APIToken,
    Comment,
    CommentReply,
    GroupApprovalTask,
    PageSubscription,
    PageViewRestriction,
    UploadedFile,
    Workflow,
    WorkflowPage,
    WorkflowTask,
)
from wagtail.users.models import UserProfile


def edit(parts: Parts, rng: random.Random) -> None:
    """Drafts, pages taken off, moved, copied, translated, made aliases of, published at a later time."""
    articles = parts.articles
    admin = parts.users[0]
    for article in articles[::3]:
        draft = Article.objects.get(pk=article.pk)
        draft.title, draft.body = f"{draft.title} changed", body_of(parts, rng)
        draft.save_revision(user=admin, log_action=True)
    for article in articles[5::20]:
        Article.objects.get(pk=article.pk).unpublish(user=admin, log_action=True)
    for article in articles[7::24]:
        Article.objects.get(pk=article.pk).move(
            parts.sections[0].__class__.objects.get(pk=parts.sections[0].pk), user=admin
        )
    for article in articles[9::30]:
        page = Article.objects.get(pk=article.pk)
        page.go_live_at = timezone.now() + timedelta(days=400)
        page.save_revision(user=admin, log_action=True).publish(user=admin)
    for article in articles[4::15]:
        original = Article.objects.get(pk=article.pk)
        original.copy_for_translation(parts.locales["de"], copy_parents=True).save_revision().publish(user=admin)
    for article in articles[6::15]:
        Article.objects.get(pk=article.pk).create_alias(update_slug=f"alias-of-{article.slug}", user=admin)
    for article in articles[8::25]:
        Article.objects.get(pk=article.pk).copy(update_attrs={"slug": f"copy-of-{article.slug}"}, user=admin)


def hang_on(parts: Parts, rng: random.Random) -> None:
    """What refers to pages and lies outside them."""
    label = parts.label.lower()
    for number, article in enumerate(parts.articles[::6]):
        Redirect.add_redirect(f"/{label}/old-{number}", article, is_permanent=bool(number % 2))
        page = Article.objects.get(pk=article.pk)
        block = page.body[0].id
        comment = Comment(page=page, user=parts.users[1], text=f"{parts.label} {number}", contentpath=f"body.{block}")
        comment.save()
        comment.log_create(page_revision=page.get_latest_revision(), user=parts.users[1])
        reply = CommentReply.objects.create(comment=comment, user=parts.users[2], text="yes")
        reply.log_create(page_revision=page.get_latest_revision(), user=parts.users[2])
        page.save_revision(user=parts.users[1])
        PageSubscription.objects.create(page=page, user=parts.users[number % 3], comment_notifications=True)
    Redirect.add_redirect(f"/{label}/away", "https://example.org/7")
    for number, word in enumerate(("shared", parts.label)):
        query = Query.get(word)
        query.add_hit()
        SearchPromotion.objects.create(query=query, page=parts.articles[number], description=f"{parts.label} pick")
    Embed.objects.create(url=f"https://example.org/{label}", hash=f"{label:0>32}", type="rich", html="<b>7</b>")
    UploadedFile.objects.create(file=ContentFile(b"half", name=f"{label}.txt"), uploaded_by_user=parts.users[1])
    for user in parts.users:
        UserProfile.objects.create(user=user, preferred_language="de", avatar=None)
    APIToken.objects.create(user=parts.users[1], name="robot", key_hash=f"{label:0>64}", prefix="wagtail_")
    for position, section in enumerate(parts.sections[3:]):
        restriction = PageViewRestriction.objects.create(
            page=section,
            restriction_type=PageViewRestriction.PASSWORD if position % 2 else PageViewRestriction.GROUPS,
            password=f"pässword {parts.label}" if position % 2 else "",
        )
        restriction.groups.set(parts.groups[:2])


def start_workflows(parts: Parts) -> None:
    """A workflow with two steps; some pages wait in it, some went through."""
    tasks = []
    for number in range(2):
        task = GroupApprovalTask.objects.create(name=f"{parts.label} approval {number}")
        task.groups.set(parts.groups)
        tasks.append(task)
    workflow = Workflow.objects.create(name=f"{parts.label} workflow")
    for number, task in enumerate(tasks):
        WorkflowTask.objects.create(workflow=workflow, task=task, sort_order=number)
    WorkflowPage.objects.create(workflow=workflow, page=parts.sections[1])
    for number, article in enumerate(parts.articles[1::10]):
        page = Article.objects.get(pk=article.pk)
        page.save_revision(user=parts.users[2])
        state = workflow.start(page, parts.users[2])
        for _ in range(number % 3):
            state.current_task_state.specific.approve(user=parts.users[0], comment="fine")
            state.refresh_from_db()


def hold_back(parts: Parts, images: list[Any], papers: list[Any], rng: random.Random) -> None:
    """One page that will be deleted, with what nothing else shows: as cover, in a gallery, in a stream and in rich text."""
    section = parts.sections[0].__class__.objects.get(pk=parts.sections[0].pk)
    own = replace(parts, images=images, papers=papers)
    page = Article(title=f"{parts.label} to be deleted", slug="to-be-deleted", owner=parts.users[3], cover=images[0])
    page.paper, page.intro, page.body = papers[0], rich_text(own, rng), body_of(own, rng)
    page.gallery = [Gallery(image=images[1], caption="own")]
    section.add_child(instance=page)
    page.save_revision(user=parts.users[3], log_action=True).publish(user=parts.users[3])
    Redirect.add_redirect(f"/{parts.label.lower()}/to-be-deleted-before", page)
