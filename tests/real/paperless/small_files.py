"""Small files of the kinds that people scan, each with content of its own. Runs in paperless's Python."""

import io

from PIL import Image, ImageDraw

MIME_TYPES = {"pdf": "application/pdf", "png": "image/png", "txt": "text/plain"}


def small_file(kind: str, text: str) -> bytes:
    """A file of that kind that says the text."""
    if kind == "txt":
        return f"{text}\r\nÜbergröße 請求書 ✓\n".encode()
    if kind == "pdf":
        return _pdf(text)
    return picture(text, "PNG")


def picture(text: str, form: str) -> bytes:
    """A small picture with the text on it."""
    content = io.BytesIO()
    image = Image.new("RGB", (90, 64), "white")
    ImageDraw.Draw(image).text((2, 20), text.encode("ascii", "replace").decode()[:14], fill="black")
    image.save(content, form)
    return content.getvalue()


def _pdf(text: str) -> bytes:
    """One page; the places of its objects are counted, so that readers need not repair it."""
    shown = text.encode("ascii", "replace").decode().replace("(", "").replace(")", "")
    stream = f"BT /F1 12 Tf 20 100 Td ({shown}) Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    content, places = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(content)
    content += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return content + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
