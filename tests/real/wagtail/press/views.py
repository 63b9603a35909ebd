"""The site's search."""

from django.http import HttpRequest, JsonResponse
from wagtail.models import Page


def search(request: HttpRequest) -> JsonResponse:
    """The titles of what is found."""
    found = Page.objects.live().search(request.GET.get("query", ""))
    return JsonResponse({"found": sorted(page.title for page in found)})
