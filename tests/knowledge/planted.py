"""Planted data: persons' data and secrets that nobody has, fifty of each kind, from one seed."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable

MANY = 50

_RNG = random.Random(20261121)  # noqa: S311 — the same data every time is the point


def _signs(alphabet: str, count: int) -> str:
    return "".join(_RNG.choice(alphabet) for _ in range(count))


def _email(number: int) -> str:
    return f"canary.{_signs(string.ascii_lowercase, 8)}+{number}@mail{number}.example.co.uk"


def _phone(number: int) -> str:
    local = f"{number:02}{_signs(string.digits, 4)}"
    return [
        f"+44 7400 {local}",
        f"07400 {local}",
        f"+49 1512 3{local}",
        f"+1 202-555-01{number:02}",
    ][number % 4]


def _iban(number: int) -> str:
    country, body = [("DE", _signs(string.digits, 18)), ("GB", "WEST" + _signs(string.digits, 14))][
        number % 2
    ]
    whole = iban_of(country, body)
    grouped = " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))
    return [whole, grouped, whole.lower()][number % 3]


def iban_of(country: str, body: str) -> str:
    """An account's number with its check digits."""
    digits = "".join(str(int(sign, 36)) for sign in f"{body}{country}00")
    return f"{country}{98 - int(digits) % 97:02}{body}"


def _card(number: int) -> str:
    head = ["4", "51"][number % 2] + _signs(string.digits, 14 - number % 2)
    digits = [int(sign) for sign in head]
    total = sum(digits[-2::-2]) + sum(sum(divmod(2 * digit, 10)) for digit in digits[-1::-2])
    whole = f"{head}{-total % 10}"
    parts = [whole[at : at + 4] for at in range(0, 16, 4)]
    return ["", " ", "-"][number % 3].join(parts)


def _secret(number: int) -> str:
    both = string.ascii_letters + string.digits
    token = _signs(both, 30)
    pem = base64.b64encode(token.encode()).decode()
    return [
        f"sk-{token}",
        f"ghp_{token}abcdef",
        f"AKIA{_signs(string.ascii_uppercase + string.digits, 16)}",
        f"eyJ{_signs(both, 12)}.eyJ{_signs(both, 20)}.{_signs(both, 20)}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{pem}\n-----END RSA PRIVATE KEY-----",
        f"xoxb-{_signs(string.digits, 12)}-{token}",
    ][number % 6]


MAKERS: dict[str, Callable[[int], str]] = {
    "email": _email,
    "phone": _phone,
    "iban": _iban,
    "card": _card,
    "secret": _secret,
}
PLANTED = {kind: [make(number) for number in range(MANY)] for kind, make in MAKERS.items()}
EVERY = [value for values in PLANTED.values() for value in values]


def sentence(number: int) -> str:
    """A text with one of each kind."""
    found = {kind: values[number] for kind, values in PLANTED.items()}
    return (
        f"Write to {found['email']} or call {found['phone']} about case {number}. Pay to"
        f" {found['iban']}, not to the card {found['card']}! The key is {found['secret']}"
    )


def leaked(text: str) -> list[str]:
    """The planted values that a text holds, however it writes blanks and dashes."""
    plain = _plain(text)
    return [value for value in EVERY if value in text or _plain(value) in plain]


def _plain(text: str) -> str:
    return text.replace("\\n", "").translate({ord(sign): None for sign in " -\n"}).lower()
