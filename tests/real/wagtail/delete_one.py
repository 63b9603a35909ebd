"""Delete one page with the images and documents that only it shows, as an editor would. Runs in Wagtail's Python.

python delete_one.py
"""

import sys

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from wagtail.documents.models import Document  # noqa: E402
from wagtail.images.models import Image  # noqa: E402
from wagtail.models import Page  # noqa: E402

SLUG = "to-be-deleted"


def main() -> None:
    """Through Wagtail's own deletions, files and logs included."""
    page = Page.objects.get(slug=SLUG).specific
    prefix = page.title[0]
    page.delete(user=User.objects.get(username="admin"))
    images = list(Image.objects.filter(title__startswith=f"{prefix} held"))
    papers = list(Document.objects.filter(title__startswith=f"{prefix} held"))
    assert len(images) == 3 and len(papers) == 2, (images, papers)
    renditions = sum(image.renditions.count() for image in images)
    for one in (*images, *papers):
        one.delete()
    assert not Page.objects.filter(slug=SLUG).exists()
    sys.stdout.write(f"one page, {len(images)} images with {renditions} renditions, {len(papers)} documents deleted\n")


if __name__ == "__main__":
    main()
