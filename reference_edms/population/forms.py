"""Makes templates with their placeholders, and the certificates that seal PDFs."""

from __future__ import annotations

import hashlib
import random

from documents.models import DocumentType
from placeholders.models import (
    ControlledTemplate,
    DocumentTemplate,
    PlaceholderDefinition,
    TemplatePlaceholder,
)
from population.awkward import DATES, TEXTS
from population.clock import Clock
from population.files import FileWriter
from population.rows import Writer
from security.models import PDFSigningCertificate
from users.models import User


def make_templates(writer: Writer, files: FileWriter, rng: random.Random, users: list[User], count: int) -> None:
    """Create templates of several revisions, some of them under document control."""
    known = DocumentTemplate.objects.count()
    definitions = [
        PlaceholderDefinition(
            name=f"FIELD_{known + i:03d}",
            description=rng.choice(TEXTS),
            default_value=rng.choice((None, "", *TEXTS)),
            pattern=rng.choice(("", r"^\d{4}-\d\d$", r"[\w']+")),
            is_required=rng.random() < 0.3,
        )
        for i in range(count)
    ]
    writer.write(definitions)
    placeholders = list(PlaceholderDefinition.objects.order_by("name"))
    types = list(DocumentType.objects.order_by("code"))

    templates = [
        DocumentTemplate(
            name=f"Template {(known + i) // 2:03d}",
            revision=1 + (known + i) % 2,
            body=rng.choice(TEXTS),
            file=files.store(f"templates/template {known + i:03d}.docx").name,
            created_by=rng.choice(users),
        )
        for i in range(count)
    ]
    writer.write(templates)
    types_link = DocumentTemplate.document_types.through
    writer.write(
        [
            types_link(documenttemplate=template, documenttype=kind)
            for template in templates
            for kind in rng.sample(types, k=rng.choice((0, 1, 2)))
        ]
    )
    writer.write(
        [
            TemplatePlaceholder(
                template=template,
                placeholder=placeholder,
                position=position,
                override=rng.choice((None, "", "{{other}}", "👩‍🔬")),
            )
            for template in templates
            for position, placeholder in enumerate(rng.sample(placeholders, k=4))
        ]
    )
    for i, template in enumerate(templates[::4]):
        child = ControlledTemplate(
            documenttemplate_ptr_id=template.pk,
            control_number=f"CT-{known + i:04d}",
            effective_date=rng.choice((None, *DATES)),
        )
        child.__dict__.update({"name": template.name, "revision": template.revision})
        writer.write_child(child)


def make_certificates(writer: Writer, rng: random.Random, clock: Clock) -> None:
    """Create certificates with binary content, and serial numbers longer than any integer column."""
    known = PDFSigningCertificate.objects.count()
    contents = [b"", bytes(range(256)), rng.randbytes(1_200), rng.randbytes(3_000)]
    writer.write(
        [
            PDFSigningCertificate(
                issuer=f"CN=Example CA {i % 2}, O=Zertifizierungsstelle Ü",
                serial_number=f"{rng.getrandbits(159):040x}",
                subject=f"CN=Document Control {known + i}",
                certificate=content,
                encrypted_key=rng.choice((None, b"", rng.randbytes(64))),
                fingerprint=hashlib.sha256(content).hexdigest(),
                valid_from=clock.tick(),
                valid_until=clock.tick(),
                is_active=i == len(contents) - 1,
            )
            for i, content in enumerate(contents)
        ]
    )
