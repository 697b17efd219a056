"""Written cases of evidence: what is to be doubted, and what only looks as if."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from agent_runtime.evidence import Claim, Origin, Passage, Shown, claimed
from tests.office import NOON

Expected = Literal["contradiction", "stale"]

CLAIMS = (
    Claim("window", r"(?i)refund(?:s|ed)?[^.\n]{0,60}\bwithin (\d+) days", kind="number"),
    Claim("fee", r"(?i)\bfee (?:of|is) ([\d.,' ]*\d)", kind="number"),
    Claim("delivered", r"(?i)\bdelivered on (\d{4}-\d\d-\d\d|[\w .,]*\d{4})", kind="date"),
    Claim("status", r"(?im)^status: (.+)$"),
    Claim("owner", r"(?i)\bbelongs to ([A-Z][a-z]+ [A-Z][a-z]+)"),
)


def passage(source: str, text: str, origin: Origin = "tool", **known: Any) -> Shown:
    """A passage as a look-up shows it, checked for all the claims."""
    later = known.pop("after", 0)
    found = claimed(Passage(source=source, text=text, **known), CLAIMS)
    at = NOON + timedelta(minutes=later)
    return Shown(**found.model_dump(), origin=origin, retrieved_at=at)


def edition(name: str, version: str, series: str = "returns") -> Shown:
    """A passage of an edition in force, as the search shows it."""
    claims = {f"edition of {series}": version}
    return passage(f"{name}#1", "Goods come back.", document=name, version=version, claims=claims)


def report(
    day: int, *, about: str = "order-7", origin: Origin = "document", name: str = "mail"
) -> Shown:
    """A document that tells of an order as it was on a day of March."""
    as_of = datetime(2026, 3, day, tzinfo=UTC)
    return passage(name, "The parcel is late.", origin, about=about, as_of=as_of)


def record(day: int, about: str = "order-7", name: str = "orders") -> Shown:
    """The order itself, as it was on a day of March."""
    as_of = datetime(2026, 3, day, tzinfo=UTC)
    return passage(name, "The parcel arrived.", about=about, as_of=as_of)


def aged(name: str, minutes: int, after: int = 0) -> Shown:
    """A text that may be relied on for so many minutes from noon on."""
    return passage(name, "Open.", after=after, stale_at=NOON + timedelta(minutes=minutes))


@dataclass(frozen=True)
class Doubt:
    """One case: what was shown, in order, and what it is to raise at noon."""

    name: str
    shown: tuple[Shown, ...]
    raises: Expected | None = None
    count: int = field(default=1)


def _pair(name: str, one: str, two: str, raises: Expected | None = "contradiction") -> Doubt:
    return Doubt(name, (passage("policy", one), passage("handbook", two)), raises)


_RAISED = (
    _pair("two windows", "Refunds within 14 days.", "Refunds within 30 days."),
    _pair(
        "in other words", "We refund credits within 14 days.", "Goods are refunded within 15 days."
    ),
    _pair("fees differ", "A fee of 5.90 applies.", "The fee is 4.90."),
    _pair("fees differ by thousands", "A fee of 1,000 applies.", "The fee is 1.00."),
    _pair("fees in other notations", "A fee of 1.234,50 applies.", "The fee is 1,234.60."),
    _pair("dates differ", "Delivered on 2026-03-01.", "Delivered on 2026-03-02."),
    _pair("dates in other notations", "Delivered on 1 March 2026", "Delivered on 2026-01-03"),
    _pair("dates with dots", "Delivered on 01.03.2026", "Delivered on March 2, 2026"),
    _pair("a status differs", "Status: open", "Status: closed"),
    _pair("a status on a later line", "Order 7\nStatus: paid", "Order 7\nStatus: unpaid"),
    _pair("owners differ", "It belongs to Mia Hart.", "It belongs to Ada Hart."),
    _pair("one source says it twice", "Status: open\nStatus: open", "Status: closed"),
    Doubt(
        "a tool's own claims",
        (passage("a", "x", claims={"used": "0"}), passage("b", "y", claims={"used": "3"})),
    ),
    Doubt(
        "its own claim against a text",
        (passage("a", "x", claims={"status": "closed"}), passage("b", "Status: open")),
    ),
    Doubt(
        "three sources, one apart",
        (passage("a", "Status: open"), passage("b", "Status: open"), passage("c", "Status: lost")),
    ),
    Doubt(
        "two fields",
        (passage("a", "Status: open\nA fee of 5"), passage("b", "Status: shut\nThe fee is 6")),
        count=2,
    ),
    Doubt(
        "a changed record that others contradict",
        (
            passage("a", "Status: open"),
            passage("a", "Status: shut", after=1),
            passage("b", "Status: open"),
        ),
    ),
    Doubt("two editions in force", (edition("r1", "1"), edition("r2", "2"))),
    Doubt("an edition without a version", (edition("r1", ""), edition("r2", "2"))),
    Doubt("three editions in force", (edition("a", "1"), edition("b", "2"), edition("c", "3"))),
    Doubt(
        "editions of two series, one doubled",
        (edition("a", "1"), edition("b", "2"), edition("c", "1", "shipping")),
    ),
)
RAISED = tuple(Doubt(d.name, d.shown, "contradiction", d.count) for d in _RAISED)

_AGED = (
    Doubt("a text past its time", (aged("a", -1),)),
    Doubt("a text at the end of its time", (aged("a", 0),)),
    Doubt("two texts past their time", (aged("a", -1), aged("b", -60)), count=2),
    Doubt("one of two is past its time", (aged("a", -1), aged("b", 60))),
    Doubt("read again, and past its time again", (aged("a", -9), aged("a", -1, after=1))),
    Doubt("a record newer than a mail", (report(1), record(2))),
    Doubt("the record was read first", (record(2), report(1))),
    Doubt(
        "a record newer than a known document",
        (
            passage(
                "d#1",
                "Late.",
                document="d",
                about="order-7",
                as_of=datetime(2026, 3, 1, tzinfo=UTC),
            ),
            record(2),
        ),
    ),
    Doubt("two mails, one older than the record", (report(1), report(3, name="mail-2"), record(2))),
    Doubt("two mails, both older", (report(1), report(2, name="mail-2"), record(3)), count=2),
    Doubt("a newer mail makes an older one old", (report(1), report(2, name="mail-2"))),
    Doubt(
        "both past its time and older",
        (
            passage(
                "mail",
                "Late.",
                "document",
                about="order-7",
                stale_at=NOON,
                as_of=datetime(2026, 3, 1, tzinfo=UTC),
            ),
            record(2),
        ),
    ),
)
AGED = tuple(Doubt(d.name, d.shown, "stale", d.count) for d in _AGED)

QUIET = (
    _pair("the same window", "Refunds within 14 days.", "We refund within 14 days.", None),
    _pair("the same fee, written otherwise", "A fee of 5.90 applies.", "The fee is 5,90", None),
    _pair("the same thousands", "A fee of 1,234.50 applies.", "The fee is 1.234,50", None),
    _pair("the same fee with a zero more", "A fee of 5.9 applies.", "The fee is 5.90", None),
    _pair(
        "the same day, written otherwise",
        "Delivered on 1 March 2026",
        "Delivered on 2026-03-01",
        None,
    ),
    _pair("the same day with dots", "Delivered on 01.03.2026", "Delivered on March 1, 2026", None),
    _pair("the same status, otherwise large", "Status: Open", "Status: open", None),
    _pair("the same status with a stop", "Status: open.", "Status:  open", None),
    _pair("different things", "Refunds within 14 days.", "The fee is 30.", None),
    _pair(
        "a number that is no window",
        "Refunds within 14 days.",
        "Refunds. Ship within 30 days.",
        None,
    ),
    _pair("days of something else", "Refunds within 14 days.", "Open within 30 days.", None),
    _pair(
        "a text that says two things itself",
        "Refunds within 14 days. Refunds within 30 days.",
        "Refunds within 15 days.",
        None,
    ),
    _pair("no date at all", "Delivered on time in 2026", "Delivered on 2026-03-01", None),
    _pair("no field at all", "Nothing to say.", "Nothing either.", None),
    _pair("a status within a line", "The status: open", "Status: closed", None),
    _pair("an empty text", "", "Status: open", None),
    Doubt(
        "a record that changed",
        (passage("a", "Status: open"), passage("a", "Status: shut", after=1)),
    ),
    Doubt(
        "a document that changed",
        (
            passage("d#1", "Status: open", document="d"),
            passage("d#2", "Status: shut", document="d", after=1),
        ),
    ),
    Doubt("one passage alone", (passage("a", "Status: open"),)),
    Doubt("nothing was shown", ()),
    Doubt(
        "the same claim of two tools",
        (passage("a", "x", claims={"used": "0"}), passage("b", "y", claims={"used": "0"})),
    ),
    Doubt("one edition, two passages", (edition("a", "1"), edition("a", "1"))),
    Doubt("editions of two series", (edition("a", "1"), edition("b", "2", "shipping"))),
    Doubt("the same edition twice", (edition("a", "1"), edition("b", "1"))),
    Doubt("fresh for a minute more", (aged("a", 1),)),
    Doubt("read again in time", (aged("a", -1), aged("a", 10, after=1))),
    Doubt("no time is set", (passage("a", "Open."),)),
    Doubt("a mail as new as the record", (report(2), record(2))),
    Doubt("a mail newer than the record", (report(3), record(2))),
    Doubt("a newer record of something else", (report(1), record(2, "order-8"))),
    Doubt("an older record beside a newer one", (record(1, name="usage"), record(2))),
    Doubt(
        "a document about nothing in particular", (passage("mail", "Hello.", "document"), record(2))
    ),
)
