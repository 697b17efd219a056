"""Mail: a notice as a plain text of ids, states and a link, handed to an SMTP server."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

import aiosmtplib

from agent_runtime.notice import Notice, Outcome, Topic
from agent_runtime.settings import NoticeSettings

TOTAL = 15.0
"""Seconds for each step of a delivery."""

AUTHENTICATION = frozenset({530, 534, 535, 538})
"""Refusals that are the installation's own fault: the same mail passes once it is mended."""

_SUBJECTS: dict[Topic, str] = {
    "pending": "A decision is asked for",
    "reminded": "A decision will soon be late",
    "escalated": "A decision was late and is asked of others",
    "decided": "A question is over",
    "finished": "A run has ended",
    "failed": "A run has failed or waits for somebody",
    "alert": "A threshold was passed, or a rollout rolled back",
}


class Mail:
    """Sends mails through the settings' server."""

    def __init__(self, settings: NoticeSettings) -> None:
        self._settings = settings
        self._context = ssl.create_default_context()
        if settings.notice_ca is not None:
            self._context.load_verify_locations(settings.notice_ca)

    async def send(self, to: str, notice: Notice, data: Mapping[str, Any]) -> Outcome:
        """Hand one mail over."""
        own = self._settings
        if own.smtp_host is None or own.mail_from is None:
            return Outcome("no SMTP server is set")
        try:
            await aiosmtplib.send(
                self._message(to, notice, data),
                hostname=own.smtp_host,
                port=own.smtp_port,
                use_tls=own.smtp_tls == "tls",
                start_tls=own.smtp_tls == "starttls",
                tls_context=self._context,
                username=own.smtp_user,
                password=own.smtp_password.get_secret_value() if own.smtp_password else None,
                timeout=TOTAL,
            )
        except aiosmtplib.SMTPRecipientsRefused as refused:
            return _refused(refused.recipients[0].code)
        except aiosmtplib.SMTPResponseException as refused:
            return _refused(refused.code)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Outcome(f"no connection ({type(error).__name__})")
        return Outcome()

    def _message(self, to: str, notice: Notice, data: Mapping[str, Any]) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._settings.mail_from
        mail["To"] = to
        mail["Subject"] = f"{_SUBJECTS[notice.topic]}: {notice.workflow}"
        mail["Date"] = format_datetime(notice.at)
        # The same mail, sent once more, is the same to whoever reads it.
        mail["Message-ID"] = f"<{notice.id}@{str(self._settings.mail_from).partition('@')[2]}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(self._text(notice, data))
        return mail

    def _text(self, notice: Notice, data: Mapping[str, Any]) -> str:
        lines = [f"{_SUBJECTS[notice.topic]}.", ""]
        link = self._settings.approval_link
        if link is not None and notice.approval is not None:
            lines += [link.replace("{approval}", notice.approval), ""]
        for name, value in data.items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            lines.append(f"{name}: {shown}")
        return "\n".join(lines) + "\n"


def _refused(code: int) -> Outcome:
    return Outcome(f"smtp {code}", final=code >= 500 and code not in AUTHENTICATION)
