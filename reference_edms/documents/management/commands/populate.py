"""`populate`: fill the system with documents, people, records and files that are hard to carry."""

from __future__ import annotations

import random
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audit.models import AuditTrail
from documents.models import Document
from population.clock import Clock
from population.files import FileWriter
from population.forms import make_certificates, make_templates
from population.papers import PaperMaker
from population.people import extra_roles, make_people
from population.records import RecordMaker
from population.rows import Writer, advance_sequences

_SLICE = 1000


class Command(BaseCommand):
    """Writes sample content in bulk; the same seed on the same defaults gives the same content."""

    help = "Fill the EDMS: about 20 rows and 1.2 files per document, the same for the same seed."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the size and the seed."""
        parser.add_argument("--documents", type=int, default=1000, metavar="N")
        parser.add_argument("--seed", type=int, default=1, metavar="S")

    def handle(self, *args: Any, documents: int, seed: int, **options: Any) -> None:
        """Write everything in transactions of a thousand documents and tell how fast that was."""
        if documents < 1:
            raise CommandError("--documents must be at least 1")
        started = time.monotonic()
        # A second run with the same seed must add other rows, not the first run's once more.
        rng = random.Random(f"{seed}:{Document.objects.count()}")
        last = AuditTrail.objects.order_by("-sequence").first()
        clock = Clock(rng, last.timestamp if last else None)
        writer, files = Writer(rng), FileWriter(rng)

        with transaction.atomic():
            extra_roles(writer, rng)
            users = make_people(writer, rng, clock, max(5, documents // 20))
            make_certificates(writer, rng, clock)
            make_templates(writer, files, rng, users, max(4, documents // 25))
        papers = PaperMaker(writer, files, rng, clock, users)
        records = RecordMaker(writer, rng, clock, users)
        for first in range(0, documents, _SLICE):
            with transaction.atomic():
                made = papers.make_documents(min(_SLICE, documents - first))
                papers.make_revisions(made)
                papers.make_links(made)
                comments = papers.make_comments(made)
                attachments = papers.make_attachments(made)
                records.make_workflows(made)
                signatures = records.make_signatures(made)
                records.make_trail(made, (comments, attachments, signatures))
                records.make_events(made)
        papers.make_stray_files()
        advance_sequences()

        seconds = time.monotonic() - started
        self.stdout.write(
            f"populated {writer.rows} rows and {files.files} files in {seconds:.1f} s "
            f"({writer.rows / seconds:.0f} rows/s)"
        )
