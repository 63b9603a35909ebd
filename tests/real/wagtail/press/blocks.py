"""What the StreamFields of the site are made of: choosers of all kinds, alone and in structures, lists and streams in streams."""

from wagtail import blocks
from wagtail.contrib.table_block.blocks import TableBlock
from wagtail.documents.blocks import DocumentChooserBlock
from wagtail.images.blocks import ImageBlock, ImageChooserBlock
from wagtail.snippets.blocks import SnippetChooserBlock


class CardBlock(blocks.StructBlock):
    """A structure with choosers, a list of choosers and a text among its members."""

    heading = blocks.CharBlock()
    photo = ImageChooserBlock()
    target = blocks.PageChooserBlock(required=False)
    papers = blocks.ListBlock(DocumentChooserBlock(), default=[])
    text = blocks.RichTextBlock(required=False)

    class Meta:
        template = "press/card.html"


class ColumnBlock(blocks.StreamBlock):
    """A stream within a stream."""

    text = blocks.RichTextBlock()
    image = ImageChooserBlock(template="press/image.html")
    page = blocks.PageChooserBlock(template="press/page.html")
    card = CardBlock()


class BodyBlock(blocks.StreamBlock):
    """All that can stand in an article."""

    heading = blocks.CharBlock()
    # A number that is no id, though rows of every model have it.
    number = blocks.IntegerBlock()
    text = blocks.RichTextBlock()
    image = ImageChooserBlock(template="press/image.html")
    # An image with its description, as Wagtail advises since 6.3.
    picture = ImageBlock(template="press/image.html")
    page = blocks.PageChooserBlock(template="press/page.html")
    paper = DocumentChooserBlock(template="press/paper.html")
    person = SnippetChooserBlock("press.Person")
    card = CardBlock()
    cards = blocks.ListBlock(CardBlock())
    columns = blocks.ListBlock(ColumnBlock())
    table = TableBlock()
