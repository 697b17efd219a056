"""Mail: notices as plain texts, handed to a real SMTP server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

from agent_runtime.errors import SettingsError
from agent_runtime.notice import Wanted
from agent_runtime.settings import load_notice_settings
from tests.notices.conftest import deliver
from tests.notices.receiver import certify
from tests.notices.test_courier import only
from tests.office import Office

PASSWORD = "correct horse"  # noqa: S105 — of a test
LINK = "https://office.example.com/approvals/{approval}"


class Post:
    """An SMTP server's mailbox; `refusal` is what it says to each recipient instead of yes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusal = ""
        self.users: list[str] = []

    async def handle_RCPT(  # noqa: N802 — the library's name
        self, _s: Any, _n: Any, envelope: Envelope, to: str, _o: Any
    ) -> str:
        envelope.rcpt_tos.append(to)
        return self.refusal or "250 OK"

    async def handle_DATA(  # noqa: N802 — the library's name
        self, _server: Any, _session: Any, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(
            message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.SMTP)
        )
        return "250 OK"

    def authenticate(self, _s: Any, _n: Any, _e: Any, _m: Any, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        self.users.append(given.login.decode())
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)


@asynccontextmanager
async def posting(post: Post, certificate: Path | None = None) -> AsyncIterator[dict[str, Any]]:
    """A server that takes mails, with STARTTLS and a login where it has a certificate; the settings
    that lead to it."""
    own: dict[str, Any] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        own = {"tls_context": context, "require_starttls": True, "auth_required": True}
    make = partial(SMTP, post, hostname="post.test", authenticator=post.authenticate, **own)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    given = {"smtp_host": "localhost", "smtp_port": port, "mail_from": "runtime@example.com"}
    login = {"smtp_user": "runtime", "smtp_password": PASSWORD, "notice_ca": str(certificate)}
    try:
        yield {**given, **({"smtp_tls": "none"} if certificate is None else login)}
    finally:
        server.close()
        await server.wait_closed()


async def asked(office: Office, **fields: Any) -> Any:
    """A question that somebody is told of by mail."""
    wanted = {"channel": "mail", "to": "ada@example.com", "topics": ("pending",), **fields}
    lena = office.person("lena")
    await office.runtime.outbox.subscribe(lena, Wanted.model_validate(wanted))
    office.bank.put("a1", amount="500.00")
    return await office.parked(message="Please, it is urgent!")


async def test_a_mail_leads_to_the_question(open_telling: Any) -> None:
    """Ids, states and a link; nothing of what is proposed."""
    post = Post()
    async with posting(post) as given:
        office = await open_telling({**given, "approval_link": LINK})
        question = await asked(office)
        await deliver(office)
    (mail,) = post.mails
    text = mail.get_content()
    assert (mail["To"], mail["From"]) == ("ada@example.com", "runtime@example.com")
    assert mail["Subject"] == "A decision is asked for: ledger"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert LINK.replace("{approval}", question.id) in text
    assert question.digest in text
    assert not [word for word in ("urgent", "500.00", "mara") if word in mail.as_string()]


async def test_a_login_needs_tls_that_is_verified(open_telling: Any, tmp_path: Path) -> None:
    """STARTTLS by default, under the server's name."""
    post = Post()
    async with posting(post, certify(tmp_path, "localhost")) as given:
        office = await open_telling(given)
        await asked(office)
        await deliver(office)
    assert (len(post.mails), post.users) == (1, ["runtime"])


async def test_a_server_of_another_name_gets_nothing(open_telling: Any, tmp_path: Path) -> None:
    """Neither mail nor password; it is tried again."""
    post = Post()
    async with posting(post, certify(tmp_path, "other.test")) as given:
        office = await open_telling(given)
        await asked(office)
        await deliver(office)
    assert (post.mails, post.users) == ([], [])
    assert only(office, "due").why.startswith("no connection")


async def test_a_server_without_tls_gets_nothing(open_telling: Any) -> None:
    """Unless the settings do without."""
    post = Post()
    async with posting(post) as given:
        office = await open_telling({**given, "smtp_tls": "starttls"})
        await asked(office)
        await deliver(office)
    assert (post.mails, only(office, "due").why) == ([], "no connection (SMTPException)")


@pytest.mark.parametrize(
    ("refusal", "state"), [("451 come back later", "due"), ("550 no such user", "dead")]
)
async def test_a_refusal_is_final_or_passes(open_telling: Any, refusal: str, state: str) -> None:
    """As the server's code says; its words are not kept."""
    post = Post()
    post.refusal = refusal
    async with posting(post) as given:
        office = await open_telling(given)
        await asked(office)
        await deliver(office)
    assert only(office, state).why == f"smtp {refusal[:3]}"


async def test_the_same_mail_again_is_the_same(open_telling: Any) -> None:
    """By its Message-ID, where the server took it and we never heard."""
    post = Post()
    async with posting(post) as given:
        office = await open_telling(given)
        await asked(office)
        notice = only(office, "due")
        for _ in range(2):
            await office.runtime.courier._send(notice)
    first, second = post.mails
    assert first["Message-ID"] == second["Message-ID"] == f"<{notice.id}@example.com>"


def test_a_password_is_never_sent_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such settings are refused, without telling it."""
    monkeypatch.setenv("AGENT_RUNTIME_SMTP_TLS", "none")
    monkeypatch.setenv("AGENT_RUNTIME_SMTP_PASSWORD", PASSWORD)
    with pytest.raises(SettingsError, match="in clear") as refused:
        load_notice_settings()
    assert PASSWORD not in str(refused.value)
