"""Routes: the admin, and the two ways a file leaves or enters the system outside of it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from documents import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path(
        "documents/<str:number>/<int:major>.<int:minor>/file/",
        views.download_document,
        name="document-file",
    ),
    path(
        "documents/<str:number>/<int:major>.<int:minor>/attachments/",
        views.upload_attachment,
        name="document-attachments",
    ),
    path("attachments/<uuid:pk>/file/", views.download_attachment, name="attachment-file"),
]
