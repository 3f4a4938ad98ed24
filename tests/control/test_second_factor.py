"""The second factor: set up, asked for, taken once, lost and removed; and an organisation that asks everybody for one."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tallystick.core.secret import Secret
from tallystick.stores.sql.second_factors import STEP_S, SecondFactors, code_of
from tests.build.control import EMAIL, PASSWORD, Desk

SECOND_US = 1_000_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def code_at(desk: Desk, secret: str, steps: int = 0) -> str:
    return code_of(Secret(secret), desk.clock.at_us // SECOND_US // STEP_S + steps)


async def sign_in(desk: Desk, *, password: str = PASSWORD, peer: str = "127.0.0.1", **more: str) -> httpx.Response:
    async with desk.client(peer=peer) as client:
        return await client.post("/api/auth/session", json={"email": EMAIL, "password": password, **more})


async def set_up(desk: Desk, client: httpx.AsyncClient) -> tuple[str, list[str]]:
    """Secret and recovery codes; the clock has gone on to where the next code is fresh."""
    begun = await client.post("/api/auth/totp", json={"password": PASSWORD})
    assert begun.status_code == 200, begun.text
    secret: str = begun.json()["secret"]
    confirmed = await client.post("/api/auth/totp/confirm", json={"code": code_at(desk, secret)})
    assert confirmed.status_code == 200, confirmed.text
    desk.clock.at_us += STEP_S * SECOND_US
    return secret, confirmed.json()["recovery_codes"]


# RFC 6238, appendix B, SHA-1; the last six of its eight digits.
@pytest.mark.parametrize(("at_s", "code"), [
    (59, "287082"), (1_111_111_109, "081804"), (1_111_111_111, "050471"), (1_234_567_890, "005924"), (2_000_000_000, "279037"),
    (20_000_000_000, "353130"),
])
def test_codes_are_those_of_the_standard(at_s: int, code: str) -> None:
    assert code_of(Secret(b32encode(b"12345678901234567890").decode()), at_s // STEP_S) == code


async def test_set_up_and_asked_for_everywhere(desk: Desk) -> None:
    async with desk.owner() as client:
        begun = (await client.post("/api/auth/totp", json={"password": PASSWORD})).json()
        uri = urlsplit(begun["uri"])
        assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/Tallystick%3Aadmin%40local")
        assert parse_qs(uri.query) == {"secret": [begun["secret"]], "issuer": ["Tallystick"], "digits": ["6"], "period": ["30"]}
        assert (await sign_in(desk)).status_code == 200                      # begun only: nothing is asked for
        wrong = await client.post("/api/auth/totp/confirm", json={"code": "000000"})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "code_wrong")
        done = await client.post("/api/auth/totp/confirm", json={"code": code_at(desk, begun["secret"])})
        assert len(set(done.json()["recovery_codes"])) == 10
        assert (await client.get("/api/auth/me")).status_code == 401        # what was opened without a code has ended
    assert (await sign_in(desk)).json()["code"] == "totp_required"
    async with desk.client() as client:
        missing = await client.post("/api/auth/token", data={"username": EMAIL, "password": PASSWORD})
        assert (missing.status_code, missing.json()["code"]) == (401, "totp_required")
    desk.clock.at_us += STEP_S * SECOND_US
    assert (await sign_in(desk, code=code_at(desk, begun["secret"]))).status_code == 200
    desk.clock.at_us += STEP_S * SECOND_US
    async with desk.client() as client:
        form = {"username": EMAIL, "password": PASSWORD, "code": code_at(desk, begun["secret"])}
        assert (await client.post("/api/auth/token", data=form)).status_code == 200


async def test_a_secret_is_not_handed_out_without_the_password_nor_twice(desk: Desk) -> None:
    async with desk.owner() as client:
        assert (await client.post("/api/auth/totp", json={"password": "wrong"})).status_code == 401
        await set_up(desk, client)
    async with desk.owner() as client:
        assert (await client.post("/api/auth/totp", json={"password": PASSWORD})).json()["code"] == "exists"
        assert (await client.post("/api/auth/totp/confirm", json={"code": "123456"})).status_code == 404


async def test_a_code_is_taken_once_and_only_about_now(desk: Desk) -> None:
    async with desk.owner() as client:
        secret, _ = await set_up(desk, client)
    desk.clock.at_us += 10 * STEP_S * SECOND_US
    early, now, late = (code_at(desk, secret, steps) for steps in (-1, 0, 1))
    for code, status in ((code_at(desk, secret, -2), 401), (code_at(desk, secret, 2), 401), (early, 200), (early, 401), (now, 200),
                         (now, 401), (early, 401), (late, 200), (now, 401)):
        reply = await sign_in(desk, code=code)
        assert reply.status_code == status, (code, reply.text)
        if status == 401:
            assert reply.json()["code"] == "totp_wrong"
            assert (await sign_in(desk, password=PASSWORD)).json()["code"] == "totp_required"
    desk.clock.at_us += STEP_S * SECOND_US
    assert (await sign_in(desk, code=late)).status_code == 401                # it was taken before its time


async def test_of_two_with_one_code_at_once_one_is_let_in(desk: Desk) -> None:
    async with desk.owner() as client:
        secret, recovery = await set_up(desk, client)
    factors: SecondFactors = desk.app.state.login.factors
    for code in (code_at(desk, secret), recovery[0]):
        assert [factors.take("acc_1", code, desk.clock.at_us) for _ in range(2)] == [True, False]


async def test_a_recovery_code_opens_once(desk: Desk) -> None:
    async with desk.owner() as client:
        secret, (first, second, *_) = await set_up(desk, client)
    assert (await sign_in(desk, code=first.upper().replace("-", " "))).status_code == 200
    assert (await sign_in(desk, code=first)).status_code == 401
    reply = await sign_in(desk, code=second)
    assert reply.status_code == 200
    async with desk.client() as client:
        client.cookies.update(reply.cookies)
        assert (await client.get("/api/auth/totp")).json() == {"set": True, "required": False, "recovery_codes_left": 8}
    with desk.database.read() as db:
        kept = str(db.execute("SELECT * FROM recovery_code").fetchall()) + str(db.execute("SELECT * FROM second_factor").fetchall())
    assert secret not in kept and not any(code in kept for code in (first, second))


async def test_guessing_codes_costs_more_and_more_time(desk: Desk) -> None:
    async with desk.owner() as client:
        secret, recovery = await set_up(desk, client)
    answers = [(await sign_in(desk, code=f"aaaaa-aaaa{digit}", peer=f"10.0.0.{digit}")).status_code for digit in range(6)]
    assert answers == [401] * 5 + [429]                                      # from whatever address
    assert (await sign_in(desk)).status_code == 429                          # asking for the code does not forgive it
    waited = 0
    for _ in range(12):
        blocked = await sign_in(desk, code="000000", peer="10.0.1.1")
        wait_s = int(blocked.headers.get("retry-after", "0"))
        waited += wait_s
        desk.clock.at_us += wait_s * SECOND_US
        assert (await sign_in(desk, code="000000", peer="10.0.1.1")).status_code == 401
    assert waited == 1 + 2 + 4 + 8 + 16 + 32 + 64 + 128 + 256 + 512 + 900 + 900
    desk.clock.at_us += 900 * SECOND_US
    assert (await sign_in(desk, code=recovery[0])).status_code == 200
    assert secret


async def test_removed_with_password_and_code(desk: Desk) -> None:
    async with desk.owner() as client:
        secret, _ = await set_up(desk, client)
    async with desk.owner() as client:
        for proof, code in (({"password": "wrong", "code": code_at(desk, secret)}, "invalid_credentials"),
                            ({"password": PASSWORD, "code": "000000"}, "totp_wrong")):
            assert (await client.post("/api/auth/totp/remove", json=proof)).json()["code"] == code
        gone = await client.post("/api/auth/totp/remove", json={"password": PASSWORD, "code": code_at(desk, secret)})
        assert gone.json() == {"set": False, "required": False, "recovery_codes_left": 0}
    assert (await sign_in(desk)).status_code == 200


async def test_an_organisation_asks_everybody(desk: Desk) -> None:
    ana = desk.member("member", email="ana@house")
    async with desk.owner() as owner:
        early = await owner.put("/api/organization/sign-in", json={"second_factor_required": True})
        assert (early.status_code, early.json()["code"]) == (409, "no_second_factor")
        await set_up(desk, owner)
    async with desk.owner() as owner, desk.person(ana) as member:
        assert (await member.get("/api/keys")).status_code == 200
        assert (await owner.put("/api/organization/sign-in", json={"second_factor_required": True})).status_code == 200
        assert (await owner.get("/api/organization/sign-in")).json()["second_factor_required"] is True
        closed = await member.get("/api/keys")
        assert (closed.status_code, closed.json()["code"]) == (403, "second_factor_required")
        for method, path in (("DELETE", "/api/auth/sessions"), ("GET", "/api/auth/sessions"), ("GET", "/api/requests")):
            assert (await member.request(method, path)).status_code == 403
        assert (await member.get("/api/auth/session")).json()["second_factor_missing"] is True
        secret, _ = await set_up(desk, member)
        assert (await owner.get("/api/keys")).status_code == 200
    async with desk.client() as member:
        proof = {"email": "ana@house", "password": PASSWORD, "code": code_at(desk, secret)}
        opened = (await member.post("/api/auth/session", json=proof)).json()
        assert opened["second_factor_missing"] is False
        assert (await member.get("/api/keys")).status_code == 200
    assert desk.findings() == []


async def test_another_key_encryption_key_and_the_vaults_new_one(desk: Desk) -> None:
    async with desk.owner() as client:
        secret, _ = await set_up(desk, client)
    desk.vault.rewrap(desk.clock.at_us, "cli")
    assert (await sign_in(desk, code=code_at(desk, secret))).status_code == 200
    factors = desk.app.state.login.factors
    moved = SecondFactors(factors.sequencer, lambda: (b"x" * 32,), factors.entropy, factors.secret)
    with pytest.raises(Exception, match="does not open"):
        moved.take("acc_1", code_at(desk, secret, 1), desk.clock.at_us)


async def test_recovery_codes_are_renewed_alone(desk: Desk) -> None:
    async with desk.owner() as client:
        assert (await client.post("/api/auth/totp/recovery-codes", json={"password": PASSWORD, "code": "1"})).status_code == 404
        secret, before = await set_up(desk, client)
    async with desk.owner() as client:
        for wrong in ({"password": "guess", "code": code_at(desk, secret)}, {"password": PASSWORD, "code": "000000"}):
            assert (await client.post("/api/auth/totp/recovery-codes", json=wrong)).status_code == 401
        renewed = await client.post("/api/auth/totp/recovery-codes", json={"password": PASSWORD, "code": code_at(desk, secret)})
        after = renewed.json()["recovery_codes"]
        assert (len(set(after)), set(after) & set(before)) == (10, set())
        assert (await client.get("/api/auth/totp")).json() == {"set": True, "required": False, "recovery_codes_left": 10}
    assert (await sign_in(desk, code=before[0])).json()["code"] == "totp_wrong"
    assert (await sign_in(desk, code=after[0])).status_code == 200
    assert desk.findings() == []


async def test_an_organisation_says_how_long_sessions_last(desk: Desk) -> None:
    async with desk.client() as browser, desk.owner() as owner:
        opened = await browser.post("/api/auth/session", json={"email": EMAIL, "password": PASSWORD})
        assert opened.json()["expires_at"] == "2026-11-21T00:00:00Z"
        rule = {"second_factor_required": False, "session_lifetime_s": 3_600}
        assert (await owner.put("/api/organization/sign-in", json=rule)).json() == {**rule, "session_lifetime_s_max": 43_200}
        assert (await owner.put("/api/organization/sign-in", json={"second_factor_required": False})).json()["session_lifetime_s"] == 3_600
        assert (await owner.put("/api/organization/sign-in", json={**rule, "session_lifetime_s": 10})).status_code == 400
        assert (await browser.get("/api/auth/session")).json()["expires_at"] == "2026-11-20T13:00:00Z", "it holds for open ones too"
        desk.clock.at_us += 1_700 * SECOND_US
        assert (await browser.get("/api/auth/me")).status_code == 200
        desk.clock.at_us += 1_700 * SECOND_US
        assert (await browser.get("/api/auth/me")).status_code == 200
        desk.clock.at_us += 200 * SECOND_US
        assert (await browser.get("/api/auth/me")).status_code == 401
    async with desk.owner() as owner:
        assert (await owner.put("/api/organization/sign-in", json={**rule, "session_lifetime_s": None})).json()["session_lifetime_s"] is None
    assert desk.findings() == []
