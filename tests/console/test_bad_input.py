"""Bad input: each page says what is so and what to do."""

from __future__ import annotations

import httpx
import pytest
from playwright.async_api import expect

from agent_runtime.signin import form_token
from tests.api.served import Served, browsing
from tests.console.browser import COOKIE, cookie_of
from tests.console.conftest import SignIn


@pytest.fixture
def asked(desk: Served) -> str:
    return str(desk.question(desk.begin("350.00"))["id"])


def page_of(desk: Served, path: str, name: str = "lena", **options: str) -> httpx.Response:
    """A page as a browser without scripts gets it."""
    cookies = {COOKIE: cookie_of(desk, desk.token(name, **options))}
    headers = {"accept": "text/html"}
    with browsing(desk.url, cookies=cookies, headers=headers) as one:
        return one.get(path)


def test_another_tenants_question_is_not_found(desk: Served, asked: str) -> None:
    """As if there were none; the page says where to look."""
    found = page_of(desk, f"/inbox/{asked}", "ada", tenant="other")
    assert found.status_code == 404
    assert "Go to the inbox" in found.text
    assert "350.00" not in found.text


def test_who_may_not_read_is_told_so(desk: Served) -> None:
    """A program's role is none for people."""
    found = page_of(desk, "/inbox", "desk")
    assert found.status_code == 403
    assert "Ask somebody who holds the role" in found.text


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/inbox?sort=colour", 422), ("/inbox?colour=red", 422)]
)
def test_an_address_that_is_none_gets_a_page(desk: Served, path: str, status: int) -> None:
    """HTML for people; the API goes on answering problems."""
    found = page_of(desk, path)
    assert found.status_code == status
    assert found.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in found.headers["content-security-policy"]
    with desk.client(None) as client:
        assert client.get("/v1/runs").headers["content-type"] == "application/problem+json"


def test_an_amount_that_is_none_is_said_beside_the_filters(desk: Served) -> None:
    """The list stays usable."""
    found = page_of(desk, "/inbox?amount_from=much")
    assert found.status_code == 200
    assert "is no amount" in found.text


def write(desk: Served, path: str, cookie: str | None, **headers: str) -> httpx.Response:
    with desk.client(None) as client:
        if cookie is not None:
            client.cookies.set(COOKIE, cookie)
        return client.post(path, json={}, headers={"accept": "application/json", **headers})


def test_a_write_by_cookie_needs_our_own_page(desk: Served, asked: str) -> None:
    """The form's token, and the origin; a stolen click has neither."""
    cookie = cookie_of(desk, desk.token("lena"))
    path, token = f"/v1/approvals/{asked}/claim", form_token(cookie)
    assert write(desk, path, cookie).status_code == 403
    evil = {"x-form-token": token, "origin": "https://evil.example"}
    assert write(desk, path, cookie, **evil).status_code == 403
    assert write(desk, path, cookie, **{"x-form-token": "0" * 64}).status_code == 403
    own = {"x-form-token": token, "origin": desk.url}
    assert write(desk, path, cookie, **own).status_code == 200


def test_the_cookie_is_kept_from_scripts_and_other_sites(desk: Served) -> None:
    """And what it stands for is stored as a hash only."""
    with desk.client(None) as client:
        answer = client.post("/sign-in", data={"token": desk.token("lena")})
    said = answer.headers["set-cookie"].lower()
    assert "httponly" in said
    assert "samesite=strict" in said
    secret = answer.cookies[COOKIE]
    assert secret.encode() not in (desk.data / "runtime.db").read_bytes()


def test_a_revoked_token_ends_what_it_has_opened(desk: Served) -> None:
    """At once, in every browser."""
    token = desk.token("lena")
    cookie = cookie_of(desk, token)
    prefix = token[:8]
    listed = desk.as_("ada").get("/v1/tokens", params={"limit": 200}).json()["items"]
    (mine,) = [one for one in listed if one["prefix"] == prefix]
    own = {"x-form-token": form_token(cookie)}
    assert write(desk, "/v1/approvals/none/claim", cookie, **own).status_code == 404
    assert desk.as_("ada").post(f"/v1/tokens/{mine['id']}/revoke").is_success
    assert write(desk, "/v1/approvals/none/claim", cookie).status_code == 401


async def test_signing_out_ends_it_on_the_server(sign_in: SignIn, desk: Served) -> None:
    """The cookie proves nothing any more."""
    visit = await sign_in("lena")
    page = await visit.open("/inbox")
    (cookie,) = [one for one in await visit.context.cookies() if one["name"] == COOKIE]
    await page.locator("#me > summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("main")).to_contain_text("You are signed out.")
    assert write(desk, "/v1/approvals/none/claim", cookie["value"]).status_code == 401


async def test_a_sign_in_that_ends_under_scripts_comes_back_to_the_text(
    sign_in: SignIn, desk: Served, asked: str
) -> None:
    """One signs in again and finds the note in its field."""
    visit = await sign_in("lena")
    visit.expected += ("401", "ERR_")
    page = await visit.live(f"/inbox/{asked}")
    await page.keyboard.press("r")
    await page.locator("#reject select").select_option("duplicate")
    await page.locator("#reject textarea").fill("Paid on Monday.")
    await visit.context.clear_cookies()
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/sign-in?next=*")
    await page.get_by_label("API token").fill(desk.token("lena"))
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"**/inbox/{asked}*")
    await expect(page.locator("#reject textarea")).to_have_value("Paid on Monday.")


def test_a_browser_without_cookies_is_told_what_is_missing(desk: Served) -> None:
    """Instead of being asked to sign in for ever."""
    with desk.client(None) as client:
        answer = client.post("/sign-in", data={"token": desk.token("lena")})
    assert "/signed-in?next=" in answer.text
    with desk.client(None) as client:
        arrived = client.get("/signed-in", params={"next": "/inbox"})
    assert arrived.status_code == 400
    assert "Your browser keeps no cookies" in arrived.text
