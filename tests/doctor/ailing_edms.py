"""An EDMS with an ailment in every second column, and a look-alike that is none beside each."""

from __future__ import annotations

MODELS = r'''
import uuid
from django.contrib.contenttypes.models import ContentType

class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)
    file = models.FileField(upload_to="documents", max_length=300, blank=True)
    # Paths that no FileField betrays, and texts with a slash that are none.
    archive = models.CharField(max_length=300, blank=True)
    scan = models.CharField(max_length=300, blank=True)
    subject = models.CharField(max_length=300, blank=True)
    page = models.CharField(max_length=20, blank=True)

class Case(models.Model):
    """Known by a UUID."""
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=20, unique=True)

class Clerk(models.Model):
    name = models.CharField(max_length=20, unique=True)
    password = models.CharField(max_length=128)
    api_token = models.CharField(max_length=64, blank=True)
    token_type = models.CharField(max_length=20)
    password_hash = models.CharField(max_length=64)
    encrypted_secret = models.CharField(max_length=200)
    secret = models.TextField(blank=True)
    note = models.TextField(blank=True)
    supervisor = models.ForeignKey("self", models.SET_NULL, null=True)

class ApiKey(models.Model):
    key = models.CharField(max_length=40, unique=True)

class Mailbox(models.Model):
    name = models.CharField(max_length=20, unique=True)
    settings = models.JSONField()

class Badge(models.Model):
    """Declares a key that rows share, and that is a secret at that."""
    access_key = models.CharField(max_length=20)
    def natural_key(self): return (self.access_key,)

class Slip(models.Model):
    """Ids in every disguise; the rest of the columns are numbers that mean themselves."""
    document_id = models.IntegerField(null=True)
    watched = models.CharField(max_length=200, blank=True)
    carries = models.IntegerField()
    case_ref = models.CharField(max_length=36, blank=True)
    payload = models.JSONField(null=True)
    state = models.TextField(blank=True)
    sequence = models.IntegerField()
    copies = models.IntegerField()
    year = models.IntegerField()
    size = models.BigIntegerField()
    level = models.CharField(max_length=2)
    external_id = models.CharField(max_length=20)

class Log(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE, null=True)
    object_id = models.CharField(max_length=40, null=True)

class Entry(models.Model):
    log = models.ForeignKey(Log, models.CASCADE)
    line = models.IntegerField()
    text = models.CharField(max_length=20)
'''

# Documents have ids 3, 6, … 300; those of slips are 1 to 200.
ROWS = r"""
import os, pathlib
from django.conf import settings
media = pathlib.Path(settings.MEDIA_ROOT)
(media / "documents").mkdir(parents=True); (media / "old").mkdir()
outside = pathlib.Path(settings.BASE) / "cellar" / "scans"
outside.mkdir(parents=True)
ids = list(range(3, 301, 3))
for n in ids:
    document = Document(id=n, number=f"D-{n}", subject=f"either/or {n}", page=str(n % 7 + 1))
    if n <= 30:
        document.file = f"documents/{n}.pdf"
        if n != 9: (media / document.file.name).write_bytes(b"x")
    if 30 < n <= 60:
        document.archive = f"old/{n}.tif" if n % 2 else str(media / f"old/{n}.tif")
        if n != 33: (media / f"old/{n}.tif").write_bytes(b"x")
    if 60 < n <= 90:
        document.scan = str(outside / f"{n}.png")
        (outside / f"{n}.png").write_bytes(b"x")
    document.save()
(media / "nobody.txt").write_bytes(b"x")

cases = [Case.objects.create(id=uuid.UUID(int=2**100 + n * 7919), title=f"C{n}") for n in range(20)]

def clerk(n, **values):
    Clerk.objects.create(name=f"clerk {n}", token_type="bearer", password_hash="5f4dcc3b5aa765d61d8327deb882cf99",
        encrypted_secret="gAAAAABk" + "x" * 40, **values)
clerk(1, password="pbkdf2_sha256$600000$salt$hash", secret="gAAAAABk" + "y" * 40)
clerk(2, password="!unusable")
clerk(3, password="sunshine", api_token="tok_live_0123456789", secret="correct horse battery staple")
clerk(4, password="argon2$argon2id$v=19$m=102400,t=2,p=8$x$y",
      note="-----BEGIN RSA PRIVATE KEY-----\nhushhush\n-----END RSA PRIVATE KEY-----")
clerk(5, password="", note="the secret of the token is the password")
Clerk.objects.filter(name="clerk 1").update(supervisor=None)
ApiKey.objects.create(key="0123456789abcdef0123456789abcdef01234567")
Mailbox.objects.create(name="in", settings={"host": "mail", "login": {"user": "a", "password": "open sesame"}})
Mailbox.objects.create(name="out", settings={"host": "mail", "login": {"user": "a", "password": ""}})

for n in range(3): Badge.objects.create(access_key="opens every door")
from django.contrib.sessions.models import Session
Session.objects.create(session_key="s" * 32, session_data="x", expire_date="2030-01-01T00:00Z")

for n in range(1, 201):
    some = [ids[n % 100], ids[(n * 7) % 100]]
    Slip.objects.create(
        document_id=ids[n % 100] if n % 4 else 1000 + n,
        watched=",".join(map(str, some)) if n % 2 else "",
        carries=ids[(n * 3) % 100],
        case_ref=str(cases[n % 20].id) if n % 5 else "none",
        payload={"document_ids": some, "cases": {str(cases[n % 20].id): "open"}, "count": n % 5, "page": n % 9},
        state='{"parent": {"document": {"id": %d}}, "step": %d}' % (ids[n % 100], n % 3),
        sequence=n, copies=n % 4 + 1, year=1990 + n % 30, size=n * 1013, level=str(n % 5 + 1), external_id=str(5000 + n * 17))

document_type = ContentType.objects.get_for_model(Document)
for n in (3, 6, 9): Log.objects.create(content_type=document_type, object_id=str(n))
Log.objects.create(content_type=document_type, object_id="4")
Log.objects.create()
log = Log.objects.first()
for n in range(1, 31): Entry.objects.create(log=log, line=n % 10, text=f"t{n}")
from django.db import connection
connection.cursor().execute("PRAGMA foreign_keys = OFF")
connection.cursor().execute("UPDATE small_entry SET log_id = 99 WHERE id IN (5, 6)")
"""

SECRETS = (
    "sunshine", "tok_live_0123456789", "correct horse", "hushhush", "0123456789abcdef0123456789abcdef01234567",
    "open sesame", "opens every door", "s" * 32,
)  # fmt: skip
"""What may appear in nothing the doctor says."""

SETTINGS = """
INSTALLED_APPS += ["django.contrib.sessions"]
MEDIA_ROOT = BASE / "media"
"""
