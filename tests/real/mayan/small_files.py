"""Small but real files of the kinds an archive holds: PNG, TIFF with several pages, PDF, ZIP. Runs in Mayan's Python."""

import io
import random
import zipfile

from PIL import Image, ImageDraw
from pypdf import PdfWriter

KINDS = ("tiff", "png", "pdf", "zip")


def small_file(kind: str, number: int, rng: random.Random) -> tuple[str, bytes]:
    """The name and the bytes of a file; the same for the same generator."""
    content = io.BytesIO()
    if kind == "tiff":
        pages = [_picture(number, page, rng) for page in range(1, rng.randint(2, 5))]
        pages[0].save(content, "TIFF", save_all=True, append_images=pages[1:])
    elif kind == "png":
        _picture(number, 1, rng).save(content, "PNG")
    elif kind == "pdf":
        writer = PdfWriter()
        for _ in range(rng.randint(1, 3)):
            writer.add_blank_page(width=200 + rng.randint(0, 50), height=280)
        writer.add_metadata({"/Title": f"Report {number} – Überblick", "/Author": "Records office"})
        writer.write(content)
    else:
        # A kind whose pages Mayan cannot count: it logs that, and the document has no pages.
        with zipfile.ZipFile(content, "w") as archive:
            archive.writestr(zipfile.ZipInfo("prüfung.txt"), f"Note {number}\r\n契約\r\n" * rng.randint(1, 50))
    return f"{kind} {number:05} é.{kind}", content.getvalue()


def _picture(number: int, page: int, rng: random.Random) -> Image.Image:
    image = Image.new("L", (80, 112), color=rng.randint(200, 255))
    drawing = ImageDraw.Draw(image)
    drawing.text((5, 5), f"{number}/{page}", fill=0)
    drawing.line([(rng.randint(0, 79), rng.randint(20, 111)) for _ in range(6)], fill=rng.randint(0, 120))
    return image
