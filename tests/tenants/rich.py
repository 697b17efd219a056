"""A tenant with something in every corner: what an export has to hold and an erasure to remove."""

from __future__ import annotations

from datetime import timedelta

from agent_runtime.approval import Answer
from agent_runtime.evidence import Document
from agent_runtime.identity import create_token
from agent_runtime.notice import Wanted
from agent_runtime.schedule import Schedule
from agent_runtime.store import Session
from agent_runtime.store.answers import StoredAnswer
from agent_runtime.verdict import Operator
from tests.office import Office
from tests.tenants.conftest import OWN_WORDS


async def furnish(office: Office, tenant: str) -> None:
    """Runs that ended and one that asks, each with the tenant's own text wherever text goes."""
    before, office.tenant = office.tenant, tenant
    text, runtime = f"{OWN_WORDS} {tenant}", office.runtime
    lena = Operator(name="lena", roles=("lead",), tenant=tenant)
    day = timedelta(days=1)
    hook = {"channel": "mail", "to": "mara@example.com", "topics": ["pending"]}
    await runtime.store.write(tenant, lambda s: _subscribe(s, Wanted.model_validate(hook), lena))
    office.bank.put("a1", amount="500.00")
    mail = Document(source="mail:1", text=text)
    await office.flow("lena approve", message=text, documents=[mail])
    asked = await office.parked(message=text)
    await runtime.desk.comment(asked.id, lena, text)
    await runtime.desk.look(asked.id, lena)
    office.bank.put("a1", amount="500.00")
    reject = Answer(kind="reject", digest=asked.digest, reason=text, channel="test")
    await runtime.decide(asked.id, lena, reject)
    await office.drive(office.read(asked.run_id))
    await office.parked(message=text)
    await create_token(runtime.store, lena, by="ada", lifetime=day)
    hourly = Schedule("hourly", "0 * * * *", owner="lena", input={"message": text}, tenant=tenant)
    await runtime.timetable.create(lena, "ledger", hourly)
    await runtime.store.write(tenant, lambda s: _more(s, text))
    office.tenant = before


def _subscribe(session: Session, wanted: Wanted, who: Operator) -> None:
    from agent_runtime.notice import Subscription
    from agent_runtime.run import new_id

    session.subscriptions.add(
        Subscription(
            **wanted.model_dump(),
            id=new_id("sub"),
            tenant=session.tenant,
            created_by=who.name,
            created_at=session.now,
        )
    )


def _more(session: Session, text: str) -> None:
    """What only requests from outside leave behind."""
    session.answers.begin("lena", "key-1", "hash", "here:1", lambda _: False)
    session.answers.finish("lena", "key-1", StoredAnswer(200, {}, text))
    session.messages.take("mail", "m-1", "sha256:1")
