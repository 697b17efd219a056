"""Documents of every kind, made by the libraries that read such files, or by hand."""

from __future__ import annotations

import io
import zipfile
from email.message import EmailMessage

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject


def a_pdf(*pages: str) -> bytes:
    """A PDF with one line of text on each page."""
    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(300, 300)
        font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
        named = DictionaryObject({NameObject(k): NameObject(v) for k, v in font.items()})
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(named)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def a_mail(text: str) -> bytes:
    """A mail with an attachment that is no text of its own."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "mia@example.com", "desk@example.com", "My order"
    mail.set_content(text)
    mail.add_attachment(b"\x00\x01", maintype="application", subtype="octet-stream", filename="x")
    return mail.as_bytes()


def a_zip_bomb() -> bytes:
    """A small archive that unfolds to 50 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("big.txt", b"a" * 50_000_000)
    return out.getvalue()


def a_pdf_bomb() -> bytes:
    """A PDF whose one stream unfolds to 200 MB of blanks."""
    import zlib

    whole = a_pdf("small")
    packed = zlib.compress(b" " * 200_000_000, 9)
    head = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    head += b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    head += b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>endobj\n"
    stream = f"4 0 obj<</Filter/FlateDecode/Length {len(packed)}>>stream\n".encode()
    body = head + stream + packed + b"\nendstream endobj\n"
    assert whole.startswith(b"%PDF")
    return body + b"trailer<</Root 1 0 R/Size 5>>\nstartxref\n0\n%%EOF"
