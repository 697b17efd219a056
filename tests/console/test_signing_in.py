"""Signing in: by token, at an issuer, or in one click; and for how long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from agent_runtime.store.database import connect
from tests.access.issuer import AUDIENCE, Issuer, issuing
from tests.api.served import Served, browsing, serving_project
from tests.console.browser import COOKIE, cookie_of
from tests.console.conftest import SignIn
from tests.console.project import write_project
from tests.patience import PATIENCE, awaited

HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Served]:
    """A --dev server whose people may also sign in at the issuer, for two minutes unused."""
    env = {
        "AGENT_RUNTIME_OIDC_ISSUER": issuer.url,
        "AGENT_RUNTIME_OIDC_AUDIENCE": AUDIENCE,
        "AGENT_RUNTIME_OIDC_CLIENT_ID": "console",
        "AGENT_RUNTIME_SIGN_IN_IDLE": "120",
        "AGENT_RUNTIME_SIGN_IN_LASTING": "240",
    }
    folder = tmp_path_factory.mktemp("house")
    with serving_project(write_project, folder, "--dev", **env) as served:
        (served.data / "operators.toml").write_text('[operators.lena]\nroles = ["lead"]\n')
        (served.data / "operators.toml").chmod(0o600)
        yield served


@pytest.fixture
def client(house: Served) -> Iterator[httpx.Client]:
    with browsing(house.url, headers=HTML) as one:
        yield one


async def test_whoever_is_not_signed_in_is_asked_and_sent_back(sign_in: SignIn) -> None:
    """A token typed once opens the page that was asked for."""
    visit = await sign_in(None)
    page = await visit.open("/inbox?view=late")
    assert "/sign-in?next=" in page.url
    await page.get_by_label("API token").fill(visit.server.token("lena"))
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/inbox?view=late")
    await visit.is_live()


async def test_a_token_never_reaches_a_page(sign_in: SignIn) -> None:
    """Neither its text nor the cookie's secret can be read by a script."""
    visit = await sign_in("lena")
    page = await visit.open("/inbox")
    assert await page.evaluate("document.cookie") == ""
    markup = await page.content()
    assert "art_" not in markup
    assert "ars_" not in markup


async def test_at_the_issuer_one_signs_in_by_code_and_comes_back(
    sign_in: SignIn, house: Served, issuer: Issuer
) -> None:
    """State, nonce and verifier fit; the address asked for is where one ends."""
    visit = await sign_in(None, house)
    visit.elsewhere = issuer.url
    page = await visit.open("/inbox?view=done")
    await page.get_by_role("button", name="your organisation").click()
    await page.wait_for_url("**/inbox?view=done")
    assert await visit.text("#me summary") == "lena · default"


def begin(client: httpx.Client) -> str:
    """Where the issuer's own page is."""
    answer = client.post("/sign-in/oidc", data={"next": "/inbox"})
    start = answer.text.index('<a href="') + 9
    return answer.text[start : answer.text.index('"', start)].replace("&amp;", "&")


@pytest.mark.parametrize("meddled", ["state", "code", "nonce", "browser"])
def test_an_answer_that_was_meddled_with_lets_nobody_in(
    client: httpx.Client, house: Served, issuer: Issuer, meddled: str
) -> None:
    """Another's state, a made-up code, a token for another sign-in, another browser."""
    issuer.meddled = {meddled: "forged"} if meddled in ("state", "code") else {}
    issuer.nonce = "forged" if meddled == "nonce" else ""
    try:
        sent = httpx.get(begin(client), trust_env=False, timeout=PATIENCE).headers["location"]
        if meddled == "browser":
            client.cookies.clear()
        answer = client.get(sent)
    finally:
        issuer.meddled, issuer.nonce = {}, ""
    assert answer.status_code == 401
    assert COOKIE not in client.cookies


def test_the_issuers_secret_way_is_pkce(client: httpx.Client) -> None:
    """The browser shows a challenge, and never what redeems the code."""
    address = begin(client)
    assert "code_challenge_method=S256" in address
    assert "verifier" not in address


def test_in_dev_one_click_is_enough(client: httpx.Client, house: Served) -> None:
    """As the developer, or as one of the project's people."""
    assert "Continue as" in client.get("/sign-in").text
    client.post("/sign-in/dev", data={"as": "developer"})
    assert "developer" in client.get("/inbox").text


def test_there_is_no_such_click_elsewhere(desk: Served) -> None:
    """A server with tokens has no way in without one."""
    with desk.client(None) as client:
        answer = client.post("/sign-in/dev", data={"as": "lena"})
    assert answer.status_code == 404
    assert COOKIE not in answer.cookies


def test_in_dev_pages_still_need_a_sign_in(client: httpx.Client) -> None:
    """Or a decision would be nobody's in particular."""
    assert client.get("/inbox").headers["location"].startswith("/sign-in?next=")


def is_in(house: Served, cookie: str) -> bool:
    with browsing(house.url, cookies={COOKIE: cookie}, headers=HTML) as client:
        return client.get("/inbox").status_code == 200


def test_a_sign_in_ends_unused_and_at_the_latest(house: Served) -> None:
    """Two minutes unused, four at the most; then it proves nothing."""
    unused, used = (cookie_of(house, house.token("lena")) for _ in range(2))
    assert is_in(house, unused)
    for seconds in (80, 80):
        age(house, seconds)
        assert awaited(lambda: is_in(house, used))  # its use is noted beside the answer
    assert not is_in(house, unused)
    age(house, 90)
    assert not is_in(house, used)


def age(house: Served, seconds: int) -> None:
    """Let so much time have passed for all who are signed in."""
    with closing(connect(house.data / "runtime.db")) as file:
        moved = "strftime('%Y-%m-%dT%H:%M:%f000Z', {}, :by)".format
        file.execute(
            f"UPDATE sign_ins SET seen_at = {moved('seen_at')}, ends_at = {moved('ends_at')},"  # noqa: S608
            f" body = json_set(body, '$.ends_at', {moved('ends_at')})",
            {"by": f"-{seconds} seconds"},
        )


def test_a_limited_tokens_sign_in_is_as_limited(desk: Served) -> None:
    """What the token may not do, its browser may not."""
    asked = desk.question(desk.begin("370.00"))["id"]
    cookie = cookie_of(desk, desk.token("lena", scopes=("read",)))
    with browsing(desk.url, cookies={COOKIE: cookie}, headers=HTML) as client:
        page = client.get(f"/inbox/{asked}")
    assert page.status_code == 200
    assert "Your roles do not let you decide." in page.text


def test_nobody_is_signed_in_from_another_sites_page(desk: Served) -> None:
    """Who is made to act as somebody else would leave their words in the wrong hands."""
    evil = {"origin": "https://evil.example"}
    with browsing(desk.url, headers=evil) as client:
        answer = client.post("/sign-in", data={"token": desk.token("lena")})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb"]
)
def test_after_signing_in_one_stays_here(desk: Served, path: str) -> None:
    """An address elsewhere is not gone to."""
    form = {"token": desk.token("lena"), "next": path}
    with desk.client(None) as client:
        answer = client.post("/sign-in", data=form)
    assert "url=/signed-in?next=%2F" in answer.text
    assert "evil" not in answer.text
