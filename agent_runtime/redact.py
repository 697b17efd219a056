"""Redaction: of what a step's look-ups bring, only what it declared leaves; the rest is masked,
named by a pseudonym or dropped, before anything is stored, sent or logged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, assert_never, get_args

from agent_runtime.errors import WorkflowError

Treatment = Literal["show", "mask", "pseudonym", "drop"]
"""show: as it is; mask: that there is one, and no more; pseudonym: a name that stands for the value
and is turned back into it when an approved action is executed; drop: as if it were not there."""

Kind = Literal["secret", "email", "iban", "card", "phone"]
"""What is recognised in free text."""

Fields = Mapping[str, Treatment]
"""An allow-list by dotted path; lists are passed through (`items.name`), and what stands below a
path that is shown is shown. What no path names does not leave."""

Name = Callable[[str, str], str]
"""The pseudonym for a value of a kind."""

PSEUDONYM = re.compile(r"\[([a-z_]{1,40}):([a-z]{12})\]")
"""How a pseudonym is written: its kind, and twelve letters that mean nothing."""


@dataclass(frozen=True)
class Minimise:
    """What a step may see. `results`: by tool, of results that have fields; `input`: of the run's
    input; `text`: what is done about what patterns find, in every text. `region` reads phone
    numbers that are written without a country (`GB`).

    Without it everything is shown but secrets: keys, tokens and passwords are masked anywhere.
    """

    results: Mapping[str, Fields] = field(default_factory=dict)
    input: Fields | None = None
    text: Mapping[Kind, Treatment] = field(default_factory=dict)
    region: str | None = None

    def __post_init__(self) -> None:
        for kind in self.text:
            if kind not in get_args(Kind):
                raise WorkflowError(f"Minimise: {kind!r} is nothing that is recognised in text.")
        for treatment in self._every():
            if treatment not in get_args(Treatment):
                raise WorkflowError(f"Minimise: {treatment!r} is no treatment.")

    @property
    def treatments(self) -> dict[Kind, Treatment]:
        """By kind, in the order in which they are looked for."""
        given = {"secret": "mask", **self.text}
        return {kind: given[kind] for kind in get_args(Kind) if given.get(kind, "show") != "show"}

    @property
    def names(self) -> bool:
        """Whether it makes pseudonyms."""
        return "pseudonym" in self._every()

    def _every(self) -> list[Treatment]:
        found = [*self.text.values(), *(self.input or {}).values()]
        return [*found, *(one for fields in self.results.values() for one in fields.values())]


@dataclass(frozen=True)
class Redactor:
    """Does what a step declared. Without `name` what would get a pseudonym is masked."""

    declared: Minimise
    name: Name | None = None

    def text(self, text: str) -> str:
        """A text without what its patterns find."""
        for kind, treatment in self.declared.treatments.items():
            text = _redacted(text, kind, treatment, self)
        return text

    def value(self, value: Any) -> Any:
        """Plain JSON with each of its texts redacted, names of fields too."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(name): self.value(part) for name, part in value.items()}
            case list():
                return [self.value(part) for part in value]
            case _:
                return value

    def result(self, tool: str, value: Any) -> Any:
        """A tool's result as plain JSON: its declared fields. A text has none, and where fields
        are declared nothing of it leaves."""
        fields = self.declared.results.get(tool)
        return self.value(value if fields is None else self._project(value, fields))

    def input(self, value: dict[str, Any]) -> dict[str, Any]:
        """A run's input as the step sees it."""
        fields = self.declared.input
        seen: dict[str, Any] = self.value(value if fields is None else self._project(value, fields))
        return seen

    def treat(self, kind: str, value: Any, treatment: Treatment) -> Any:
        """One value, treated; None where it is dropped."""
        match treatment:
            case "show":
                return value
            case "drop":
                return None
            case "pseudonym" if self.name is not None and not isinstance(value, dict | list):
                return self.name(kind, str(value))
            case "pseudonym" | "mask":
                return f"[{kind}]"
            case _:
                assert_never(treatment)

    def _project(self, value: Any, fields: Fields, path: str = "") -> Any:
        match value:
            case list():
                return [self._project(part, fields, path) for part in value]
            case dict():
                kept = {}
                for name, part in value.items():
                    inner = f"{path}.{name}" if path else str(name)
                    if inner in fields:
                        treated = self.treat(_kind(str(name)), part, fields[inner])
                        if treated is not None:
                            kept[name] = treated
                    elif any(known.startswith(f"{inner}.") for known in fields):
                        kept[name] = self._project(part, fields, inner)
                return kept
            case _:
                return "[not shown]"


EVERYTHING = Minimise(text=dict.fromkeys(get_args(Kind), "mask"))
"""Whatever patterns find."""


def mask_text(text: str) -> str:
    """A text for other readers than a step's: all that patterns find is masked."""
    return Redactor(EVERYTHING).text(text)


def reveal(value: Any, known: Callable[[str], str | None]) -> Any:
    """Arguments with each pseudonym turned back; raises LookupError for one that is none."""

    def turned(found: re.Match[str]) -> str:
        value = known(found[0])
        if value is None:
            raise LookupError(found[0])
        return value

    match value:
        case str():
            return PSEUDONYM.sub(turned, value)
        case dict():
            return {name: reveal(part, known) for name, part in value.items()}
        case list():
            return [reveal(part, known) for part in value]
        case _:
            return value


def _kind(name: str) -> str:
    """A field's name as a pseudonym shows it."""
    return re.sub(r"[^a-z]+", "_", name.lower()).strip("_")[:40] or "value"


def _redacted(text: str, kind: Kind, treatment: Treatment, redactor: Redactor) -> str:
    out, end = [], 0
    for start, stop in _spans(kind, text, redactor.declared.region):
        if start >= end:
            treated = redactor.treat(kind, text[start:stop], treatment)
            out += [text[end:start], "" if treated is None else str(treated)]
            end = stop
    return "".join([*out, text[end:]]) if out else text


def _spans(kind: Kind, text: str, region: str | None) -> Iterator[tuple[int, int]]:
    """Where a text holds one, in order."""
    match kind:
        case "secret":
            return _secrets(text)
        case "email":
            return (found.span() for found in _EMAIL.finditer(text)) if "@" in text else iter(())
        case "iban":
            return _ibans(text)
        case "card":
            return (m.span() for m in _CARD.finditer(text) if _luhn(m[0]))
        case "phone":
            return _phones(text, region)
        case _:
            assert_never(kind)


_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+")
_CARD = re.compile(r"(?<![\d.+])\d(?:[ -]?\d){12,18}(?![\d])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}")
_SHORTEST_IBAN = 15
_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28"
    " EE20 EG29 ES24 FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26"
    " IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MR27 MT31 MU30"
    " NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SE24 SI19 SK24 SM27 ST25 SV28 TL23"
    " TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_SIGNS = {one[:2]: int(one[2:]) for one in _IBAN_LENGTHS.split()}
"""How many signs an IBAN has, by its country (ISO 13616)."""

_KEY = "PRIVATE KEY"
_SECRET = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)"
    r"|\b(?:sk|rk|pk|whsec|art|glpat|npm|pypi|dop_v1|hf)[-_][A-Za-z0-9_\-]{16,}"
    r"|\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\bxox[a-z]-[A-Za-z0-9-]{10,}|\bAIza[\w-]{30,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"
    r"|(?i:\b(?:api[_ -]?key|secret|token|passw(?:or)?d|pwd|passphrase|bearer)"
    r"(?:[\"']?\s*(?:[:=]|\bis\b)\s*|\s+(?=\S*\d\S*[A-Za-z]|\S*[A-Za-z]\S*\d)))"
    r"[\"']?(?P<value>[^\s\"',;]{8,})",
    re.DOTALL,
)


_HINT = (
    "-----begin sk- sk_ rk- rk_ pk- pk_ whsec art- art_ glpat npm- npm_ pypi dop_v1 hf- hf_ gho_"
    " ghp_ ghs_ ghu_ ghr_ github_pat_ akia asia xox aiza eyj :// key secret token passw pwd"
    " passphrase bearer"
)
_HINTS = tuple(_HINT.split())
"""One of them stands in every text with a secret; most texts hold none, and are done with here."""


def _secrets(text: str) -> Iterator[tuple[int, int]]:
    plain = text.lower()
    if not any(hint in plain for hint in _HINTS):
        return
    for found in _SECRET.finditer(text):
        yield found.span("value") if found["value"] else found.span()


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    """A piece that the checksum holds for, of as many signs as its country gives it; else the
    longest. Words may follow it with a blank between, and one in 97 would fit as well."""
    for found in _IBAN.finditer(text):
        start, stop = found.span()
        pieces = [text[start:at] for at in range(stop, start, -1) if text[at - 1] != " "]
        held = [piece for piece in pieces if _mod97(_plain(piece))]
        signs = _IBAN_SIGNS.get(text[start : start + 2].upper())
        exact = [piece for piece in held if len(_plain(piece)) == signs]
        for piece in (exact or held)[:1]:
            yield start, start + len(piece)


def _plain(iban: str) -> str:
    return iban.replace(" ", "").upper()


def _mod97(iban: str) -> bool:
    turned = iban[4:] + iban[:4]
    return (
        len(iban) >= _SHORTEST_IBAN
        and turned.isalnum()
        and int("".join(str(int(sign, 36)) for sign in turned)) % 97 == 1
    )


def _luhn(text: str) -> bool:
    digits = [int(sign) for sign in text if sign.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return any(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _phones(text: str, region: str | None) -> Iterator[tuple[int, int]]:
    if not any(sign.isdigit() for sign in text):
        return
    import phonenumbers

    for found in phonenumbers.PhoneNumberMatcher(text, region):
        yield found.start, found.end
