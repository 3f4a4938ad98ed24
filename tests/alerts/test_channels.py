"""Each channel against a stand-in of its service: what arrives, what happens when the service is busy, broken, or does
not know us, and when a thread has more to say."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import default
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from tallystick.channels import CHANNELS
from tallystick.core.alerts.alert import Alert
from tallystick.core.secret import Secret
from tallystick.jobs.alerts import Outside
from tallystick.stores.sql.alerts_deliveries import deliveries_of
from tallystick.stores.sql.alerts_raised import raise_alert, resolve
from tallystick.stores.sql.budgets import Budgets, spec_of
from tallystick.stores.sql.engine import DEFAULT
from tallystick.transport.mail import MailServer
from tests.alerts.scene import MINUTE_US, SECOND_US, Scene, open_scene
from tests.alerts.services import Discord, Jira, PagerDuty, Service, Slack, Teams

DOLLAR = 1_000_000_000
BUSY = (429, {"Retry-After": "90"}, "")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return open_scene(tmp_path)


def outside(scene: Scene, server: MailServer | None = None) -> None:
    scene.job.post = Outside((ip_network("127.0.0.0/8"),), server)


def reach(scene: Scene, kind: str, **values: str) -> None:
    """A channel of this kind, over the real network."""
    outside(scene)
    channel = next(each for each in CHANNELS if each.kind == kind)
    secret = {each.name for each in channel.fields if each.secret}
    scene.channel(kind, kind, secrets={name: value for name, value in values.items() if name in secret},
                  settings={name: value for name, value in values.items() if name not in secret})


def note(scene: Scene, number: int, text: str = "Something.") -> int:
    with scene.journal.database.write() as db:
        found = raise_alert(db, DEFAULT, Alert("note", f"note/{number}", "1", "warning", f"Note {number}", text, {}, "/api/notes"),
                            scene.journal.clock.us)
    assert found is not None
    return found


def over(scene: Scene, alert: int) -> None:
    with scene.journal.database.write() as db:
        resolve(db, [alert], "It is over.", scene.journal.clock.us)


def states(scene: Scene, alert: int) -> list[str]:
    with scene.journal.database.read() as db:
        return [row.state for row in deliveries_of(db, alert)]


CASES: tuple[tuple[type[Service], str, dict[str, str], dict[str, str]], ...] = (
    (Slack, "slack", {"url": "{}/services/T0/B0/good"}, {"url": "{}/services/T0/B0/bad"}),
    (Teams, "teams", {"url": "{}/workflows/1/triggers/manual/paths/invoke?sig=good"}, {"url": "{}/workflows/1?sig=bad"}),
    (Discord, "discord", {"url": "{}/api/webhooks/1/good"}, {"url": "{}/api/webhooks/1/bad"}),
    (PagerDuty, "pagerduty", {"url": "{}/v2/enqueue", "routing_key": PagerDuty.KEY}, {"url": "{}/v2/enqueue", "routing_key": "short"}),
    (Jira, "jira", {"url": "{}", "project": "OPS", "account": "bot@example.test", "token": "token"},
     {"url": "{}", "project": "OPS", "account": "bot@example.test", "token": "wrong"}),
)


def filled(values: dict[str, str], service: Service) -> dict[str, str]:
    return {name: value.format(service.url) for name, value in values.items()}


@pytest.mark.parametrize(("make", "kind", "good", "bad"), CASES, ids=[case[1] for case in CASES])
def test_a_service_that_is_busy_is_asked_again_when_it_says_and_one_that_breaks_too(
        scene: Scene, make: type[Service], kind: str, good: dict[str, str], bad: dict[str, str]) -> None:
    with make() as service:
        reach(scene, kind, **filled(good, service))
        service.busy = [BUSY, (503, {}, "<html>" + "down " * 500), (500, {}, None)]
        alert = note(scene, 1)
        scene.send()
        for us, requests in ((80 * SECOND_US, 1), (11 * SECOND_US, 2), (MINUTE_US, 3)):     # not before 90 s; then 30 s; then 2 min
            scene.pass_time(us)
            scene.send()
            assert (service.requests, states(scene, alert)) == (requests, ["waiting"])
        scene.pass_time(2 * MINUTE_US)
        scene.send()
        assert states(scene, alert) == ["sent"]


@pytest.mark.parametrize(("make", "kind", "good", "bad"), CASES, ids=[case[1] for case in CASES])
def test_a_service_that_does_not_know_us_is_asked_once(
        scene: Scene, make: type[Service], kind: str, good: dict[str, str], bad: dict[str, str]) -> None:
    with make() as service:
        reach(scene, kind, **filled(bad, service))
        alert = note(scene, 1)
        scene.send()
        scene.pass_time(60 * MINUTE_US)
        scene.send()
        assert (service.requests, states(scene, alert)) == (1, ["failed"])


def test_slack_gets_one_message_for_a_burst_and_nobody_is_mentioned(scene: Scene) -> None:
    with Slack() as slack:
        reach(scene, "slack", url=f"{slack.url}/services/T0/B0/good")
        note(scene, 0, "<!channel> & <@U1>")
        scene.send()
        assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in slack.messages[0]["blocks"][0]["text"]["text"]
        for number in range(1, 31):
            note(scene, number, "long " * 1_000)
        scene.send()
        [message] = slack.messages[1:]
        assert message["text"] == "30 alerts, among them: Note 1"
        assert message["blocks"][-1]["elements"][0]["text"] == "and 10 more"


def test_teams_gets_a_card_within_its_limits(scene: Scene) -> None:
    with Teams() as teams:
        reach(scene, "teams", url=f"{teams.url}/workflows/1?sig=good")
        for number in range(30):
            note(scene, number, "[link](https://bad.example) " * 100)
        scene.send()
        [card] = teams.cards
        assert card["body"][1]["text"].startswith("\\[link\\]")
        assert card["body"][-1]["text"] == "and 10 more"


def test_discord_gets_embeds_within_its_limits(scene: Scene) -> None:
    with Discord() as discord:
        reach(scene, "discord", url=f"{discord.url}/api/webhooks/1/good")
        for number in range(30):
            note(scene, number, "long " * 1_000)
        scene.send()
        [message] = discord.messages
        assert (len(message["embeds"]), message["content"], message["allowed_mentions"]) == (
            10, "30 alerts, among them: Note 0 (30 in all)", {"parse": []})


def test_pagerduty_has_one_incident_for_a_budget_s_window(scene: Scene) -> None:
    with PagerDuty() as duty:
        reach(scene, "pagerduty", url=f"{duty.url}/v2/enqueue", routing_key=PagerDuty.KEY)
        row = scene.budget("$10/month")
        scene.spend(8 * DOLLAR)
        scene.spend(DOLLAR)
        scene.send()
        [summaries] = duty.open.values()
        assert [summary.split(".")[0] for summary in summaries] == [
            "Budget of team search: 50% used", "Budget of team search: 80% used", "Budget of team search: 90% used"]
        raise_to(scene, row.id, 12)
        assert len(duty.open) == 1               # 75%: it has eased
        raise_to(scene, row.id, 100)
        assert (duty.open, len(duty.closed)) == ({}, 1)


@pytest.mark.parametrize("cloud", [True, False])
def test_jira_has_one_ticket_commented_on_and_closed(scene: Scene, *, cloud: bool) -> None:
    with Jira(cloud=cloud) as jira:
        deployment = {"account": "bot@example.test"} if cloud else {"deployment": "server"}
        reach(scene, "jira", url=jira.url, project="OPS", token="token", **deployment)
        row = scene.budget("$10/month")
        scene.spend(5 * DOLLAR)
        scene.send()
        scene.spend(4 * DOLLAR)
        scene.send()
        [ticket] = jira.tickets.values()
        assert ticket.fields["summary"] == "Budget of team search: 50% used"
        assert [comment.splitlines()[0] for comment in ticket.comments] == [
            "Budget of team search: 80% used", "Budget of team search: 90% used"]
        raise_to(scene, row.id, 100)
        assert (ticket.done, ticket.comments[-1].splitlines()[0]) == (True, "Resolved: Budget of team search: 90% used")


def raise_to(scene: Scene, budget: int, dollars: int) -> None:
    Budgets(scene.journal.sequencer).change(
        DEFAULT, budget, lambda it: replace(spec_of(it), limit=dollars * DOLLAR), scene.journal.clock.us, "cli")
    scene.send()


def test_jira_finds_the_ticket_that_was_made_before_a_crash(scene: Scene) -> None:
    with Jira() as jira:
        reach(scene, "jira", url=jira.url, project="OPS", account="bot@example.test", token="token")
        alert = note(scene, 1)
        scene.send()
        with scene.journal.database.write() as db:                       # it was made, and nothing of it written down
            db.execute("DELETE FROM alert_ticket")
            db.execute("UPDATE alert_delivery SET state = 'waiting', claimed_until_us = 0")
        scene.send()
        over(scene, alert)
        scene.send()
        [ticket] = jira.tickets.values()
        assert (len(ticket.comments), ticket.done) == (2, True)


def test_jira_leaves_alone_what_a_person_has_closed(scene: Scene) -> None:
    with Jira() as jira:
        reach(scene, "jira", url=jira.url, project="OPS", account="bot@example.test", token="token")
        alert = note(scene, 1)
        scene.send()
        jira.tickets["OPS-1"].done = True
        over(scene, alert)
        scene.send()
        assert states(scene, alert) == ["sent", "sent"]


class Mailbox:
    """Takes mail; says no to whom it does not know."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.answers: list[str] = []
        self.logins: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.messages.append(BytesParser(policy=default).parsebytes(envelope.content))
        return "250 taken"


@contextmanager
def mail_server(box: Mailbox, *, password: str | None = None) -> Iterator[MailServer]:
    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        box.logins.append(data.login.decode() if isinstance(data, LoginPassword) else "")
        return AuthResult(success=isinstance(data, LoginPassword) and data.password == b"right", handled=False)

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(
        lambda: SMTP(box, authenticator=check if password else None, auth_require_tls=False, loop=loop),
        "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield MailServer("127.0.0.1", server.sockets[0].getsockname()[1], "alerts@tally.example", "none", "tally" if password else None,
                         Secret(password) if password else None)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


def test_mail_arrives_as_one_thread_per_thread(scene: Scene) -> None:
    box = Mailbox()
    with mail_server(box) as server:
        outside(scene, server)
        scene.channel("mail", "email", settings={"to": "ann@example.test, bob@example.test"}, secrets={})
        alert = note(scene, 1, "Größer als gedacht: 80%.\nZweite Zeile")
        scene.send()
        over(scene, alert)
        scene.send()
    first, second = box.messages
    assert isinstance(first, EmailMessage)
    assert (first["Subject"], first["To"], first["From"]) == (
        "[Tallystick] Note 1", "ann@example.test, bob@example.test", "alerts@tally.example")
    assert "Größer als gedacht: 80%." in first.get_content()
    assert "https://tally.example/api/notes" in first.get_content()
    assert (second["Subject"], second["References"]) == ("[Tallystick] Resolved: Note 1", first["References"])


@pytest.mark.parametrize(("answer", "state"), [("451 4.3.0 later", "waiting"), ("550 5.7.1 never", "failed")])
def test_a_mail_server_s_no_for_now_is_another_try_and_one_for_good_is_not(scene: Scene, answer: str, state: str) -> None:
    box = Mailbox()
    box.answers = [answer]
    with mail_server(box) as server:
        outside(scene, server)
        scene.channel("mail", "email", settings={"to": "ann@example.test"}, secrets={})
        alert = note(scene, 1)
        scene.send()
        assert states(scene, alert) == [state]
        scene.pass_time(MINUTE_US)
        scene.send()
        assert len(box.messages) == (1 if state == "waiting" else 0)


def test_nobody_at_the_address_is_a_no_for_good(scene: Scene) -> None:
    with mail_server(Mailbox()) as server:
        outside(scene, server)
        scene.channel("mail", "email", settings={"to": "nobody@example.test"}, secrets={})
        alert = note(scene, 1)
        scene.send()
        assert states(scene, alert) == ["failed"]


@pytest.mark.parametrize(("password", "state"), [("right", "sent"), ("wrong", "failed")])
def test_the_account_of_the_mail_server_is_used(scene: Scene, password: str, state: str) -> None:
    box = Mailbox()
    with mail_server(box, password=password) as server:
        outside(scene, server)
        scene.channel("mail", "email", settings={"to": "ann@example.test"}, secrets={})
        alert = note(scene, 1)
        scene.send()
        assert (states(scene, alert), set(box.logins)) == ([state], {"tally"})


def test_no_mail_server_at_all_is_a_fault_that_may_end(scene: Scene) -> None:
    outside(scene)
    scene.channel("mail", "email", settings={"to": "ann@example.test"}, secrets={})
    alert = note(scene, 1)
    scene.send()
    assert states(scene, alert) == ["waiting"]
