"""Makes the records about documents: workflow steps, signatures, audit trail, system events."""

from __future__ import annotations

import hashlib
import itertools
import random
import uuid
from collections.abc import Sequence

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models

from audit import chain
from audit.models import AuditTrail, SystemEvent
from documents.models import Document
from population import awkward
from population.clock import Clock
from population.rows import Writer
from security.models import ElectronicSignature, PDFSigningCertificate
from security.services import manifestation
from users.models import User
from workflows.models import DocumentState, DocumentTransition, DocumentWorkflow

_LIFE = (
    Document.Status.DRAFT,
    Document.Status.IN_REVIEW,
    Document.Status.REVIEWED,
    Document.Status.APPROVED,
    Document.Status.EFFECTIVE,
    Document.Status.SUPERSEDED,
)
_NOTHING = hashlib.sha256(b"").hexdigest()
_NOWHERE = 10**12


class RecordMaker:
    """Makes the records of slices of documents; the audit chain goes on across slices."""

    def __init__(self, writer: Writer, rng: random.Random, clock: Clock, users: list[User]) -> None:
        self._writer = writer
        self._rng = rng
        self._clock = clock
        self._users = users
        self._certificates = list(PDFSigningCertificate.objects.order_by("serial_number"))
        self._states = list(DocumentState.objects.order_by("code"))
        self._last_entry = AuditTrail.objects.order_by("-sequence").first()
        self._content_types: dict[type[models.Model], ContentType] = {}

    def make_workflows(self, documents: list[Document]) -> None:
        """Write each document's workflow and the steps that led to its state."""
        workflows = [
            DocumentWorkflow(
                document=document,
                state_id=document.status,
                initiated_by=document.author,
                assignee=self._rng.choice((None, self._a_user())),
                due_on=self._rng.choice((None, document.created_at.date())),
                context=self._rng.choice(awkward.JSON_VALUES),
                started_at=document.created_at,
                updated_at=self._clock.tick(),
            )
            for document in documents
        ]
        self._writer.write(workflows)
        steps = []
        for workflow in workflows:
            path = (None, *_LIFE[: _LIFE.index(workflow.state_id) + 1])
            for sequence, (before, after) in enumerate(itertools.pairwise(path), start=1):
                steps.append(
                    DocumentTransition(
                        workflow=workflow,
                        sequence=sequence,
                        from_state_id=before,
                        to_state_id=after,
                        actor=self._a_user(),
                        comment=self._rng.choice((None, "", *awkward.TEXTS)),
                        occurred_at=self._clock.tick(),
                    )
                )
        self._writer.write(steps)

    def make_signatures(self, documents: list[Document]) -> list[ElectronicSignature]:
        """Write valid signatures of the documents that came far enough to bear some."""
        signatures = []
        for document in documents:
            reached = _LIFE.index(document.status)
            meanings = [
                ElectronicSignature.Meaning.AUTHORED,
                ElectronicSignature.Meaning.REVIEWED,
                ElectronicSignature.Meaning.APPROVED,
            ][: max(0, reached - 1)]
            for meaning in meanings:
                signature = ElectronicSignature(
                    document=document,
                    signer=self._a_user(),
                    meaning=meaning,
                    reason=self._rng.choice(awkward.TEXTS),
                    signed_at=self._clock.tick(),
                    document_hash=document.file_checksum or _NOTHING,
                    certificate=self._rng.choice((None, *self._certificates)),
                )
                signature.signature = manifestation(signature)
                signatures.append(signature)
        self._writer.write(signatures)
        return signatures

    def make_trail(self, documents: list[Document], others: Sequence[Sequence[models.Model]]) -> None:
        """Write sealed audit entries about documents and other rows; some point at rows long gone."""
        entries = []
        pools = [pool for pool in (*others, self._users, self._states) if pool]
        for document in documents:
            entries.append(self._entry(AuditTrail.Action.CREATE, document))
            for _ in range(self._rng.choice((1, 2, 2, 3))):
                entries.append(self._entry(AuditTrail.Action.UPDATE, document))
            for _ in range(self._rng.choice((1, 2, 2, 3))):
                target = self._rng.choice(self._rng.choice(pools))
                entries.append(self._entry(AuditTrail.Action.UPDATE, target))
        self._writer.write(entries)

    def make_events(self, documents: list[Document]) -> None:
        """Write system events and admin log entries, which hold object ids but declare nothing."""
        rng = self._rng
        document_type = self._content_type(Document)
        events = []
        for document in documents:
            event = SystemEvent(
                occurred_at=self._clock.tick(),
                level=rng.choice(SystemEvent.Level.values),
                event=rng.choice(("backup", "login", "import", "照合")),
                message=rng.choice(awkward.TEXTS),
                user=rng.choice((None, self._a_user())),
                ip_address=rng.choice((None, "192.0.2.7", "2001:db8::1", "::ffff:192.0.2.1")),
                payload=rng.choice(awkward.JSON_VALUES),
                duration=rng.choice((None, *awkward.FLOATS)),
            )
            chance = rng.random()
            if chance < 0.6:
                event.content_type, event.object_id = document_type, document.pk
            elif chance < 0.62:
                event.content_type, event.object_id = document_type, _NOWHERE + document.pk
            events.append(event)
        self._writer.write(events)
        self._writer.write(
            [
                LogEntry(
                    action_time=self._clock.tick(),
                    user=self._a_user(),
                    content_type=document_type,
                    object_id=str(document.pk),
                    object_repr=str(document),
                    action_flag=rng.choice((ADDITION, CHANGE)),
                    change_message=rng.choice(awkward.TEXTS),
                )
                for document in documents[::20]
            ]
        )

    def _entry(self, action: str, target: models.Model) -> AuditTrail:
        rng, last = self._rng, self._last_entry
        user = rng.choice((None, self._a_user(), self._a_user()))
        entry = AuditTrail(
            uid=uuid.UUID(int=rng.getrandbits(128), version=4),
            sequence=last.sequence + 1 if last else 1,
            timestamp=self._clock.tick(),
            user=user,
            username=user.username if user else "",
            action=action,
            content_type=self._content_type(type(target)),
            object_id=str(target.pk),
            object_label=chain.label(target),
            changes={"title": [rng.choice(awkward.TEXTS), rng.choice(awkward.TEXTS)], "note": None},
            previous_checksum=last.checksum if last else "",
        )
        self._let_some_dangle(entry, target)
        entry.checksum = chain.seal(entry)
        self._last_entry = entry
        return entry

    def _let_some_dangle(self, entry: AuditTrail, target: models.Model) -> None:
        if entry.sequence % 101 == 7 and isinstance(target.pk, int):
            entry.action = AuditTrail.Action.DELETE
            entry.object_id = str(_NOWHERE + target.pk)
        elif entry.sequence % 101 == 50:
            entry.object_id = "no such id"
        elif entry.sequence % 101 == 90:
            entry.content_type = None
            entry.object_id = "" if entry.sequence % 2 else None

    def _content_type(self, model: type[models.Model]) -> ContentType:
        if model not in self._content_types:
            self._content_types[model] = ContentType.objects.get_for_model(model)
        return self._content_types[model]

    def _a_user(self) -> User:
        return self._rng.choice(self._users)
