"""Pages, snippets and settings that hold references in every way that Wagtail has."""

from django.db import models
from modelcluster.contrib.taggit import ClusterTaggableManager
from modelcluster.fields import ParentalKey, ParentalManyToManyField
from taggit.models import TaggedItemBase
from wagtail.contrib.forms.models import AbstractForm, AbstractFormField
from wagtail.contrib.settings.models import BaseSiteSetting, register_setting
from wagtail.fields import RichTextField, StreamField
from wagtail.models import DraftStateMixin, Orderable, Page, RevisionMixin, TranslatableMixin
from wagtail.search import index
from wagtail.snippets.models import register_snippet

from press.blocks import BodyBlock

IMAGE = "wagtailimages.Image"
DOCUMENT = "wagtaildocs.Document"


@register_snippet
class Topic(models.Model):
    """A word that articles are found by."""

    name = models.CharField(max_length=80, unique=True)

    def __str__(self) -> str:
        return self.name


@register_snippet
class Person(TranslatableMixin, DraftStateMixin, RevisionMixin, index.Indexed, models.Model):
    """A snippet with revisions, drafts and translations."""

    name = models.CharField(max_length=80)
    photo = models.ForeignKey(IMAGE, models.SET_NULL, null=True, blank=True, related_name="+")
    about = RichTextField(blank=True)
    search_fields = (index.SearchField("name"), index.AutocompleteField("name"))

    def __str__(self) -> str:
        return self.name


class ArticleTag(TaggedItemBase):
    """A tag of an article, as part of it: it waits in revisions too."""

    content_object = ParentalKey("press.Article", related_name="tagged_items", on_delete=models.CASCADE)


class Article(Page):
    """The page that has everything."""

    intro = RichTextField(blank=True)
    cover = models.ForeignKey(IMAGE, models.SET_NULL, null=True, blank=True, related_name="+")
    paper = models.ForeignKey(DOCUMENT, models.SET_NULL, null=True, blank=True, related_name="+")
    topics = ParentalManyToManyField(Topic, blank=True)
    tags = ClusterTaggableManager(through=ArticleTag, blank=True)
    body = StreamField(BodyBlock(), blank=True)
    search_fields = (*Page.search_fields, index.SearchField("intro"), index.SearchField("body"))


class Gallery(Orderable):
    """Pictures of an article, which wait in its revisions too."""

    article = ParentalKey(Article, on_delete=models.CASCADE, related_name="gallery")
    image = models.ForeignKey(IMAGE, models.CASCADE, related_name="+")
    caption = models.CharField(max_length=80)


class RelatedLink(Orderable):
    """Pages and documents that an article leads to."""

    article = ParentalKey(Article, on_delete=models.CASCADE, related_name="related")
    page = models.ForeignKey(Page, models.CASCADE, null=True, blank=True, related_name="+")
    paper = models.ForeignKey(DOCUMENT, models.CASCADE, null=True, blank=True, related_name="+")
    name = models.CharField(max_length=80)


class Section(Page):
    """A page that lists those below it."""

    intro = RichTextField(blank=True)


class Question(AbstractFormField):
    """A field of a form."""

    page = ParentalKey("press.QuestionPage", on_delete=models.CASCADE, related_name="form_fields")


class QuestionPage(AbstractForm):
    """A form; what people answer is JSON."""

    intro = RichTextField(blank=True)


@register_setting
class Imprint(BaseSiteSetting):
    """Settings of a site."""

    logo = models.ForeignKey(IMAGE, models.SET_NULL, null=True, blank=True, related_name="+")
    contact = models.ForeignKey(Page, models.SET_NULL, null=True, blank=True, related_name="+")
    footer = RichTextField(blank=True)
