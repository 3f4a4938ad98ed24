"""Settings come from four places, and a mistyped key is never silently ignored."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tallystick.config import (
    BadSettings,
    CredentialSettings,
    DatabaseSettings,
    Drain,
    FirstAdmin,
    Gateway,
    JournalSettings,
    Limits,
    Metrics,
    ProviderSettings,
    Server,
    Settings,
    decoded,
    encoded,
    field_docs,
    first_admin,
    load,
)


def written(folder: Path, text: str) -> Path:
    path = folder / "tallystick.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_listen_on_loopback_only(tmp_path: Path) -> None:
    settings = load(data=tmp_path, environ={})
    assert (settings.server.host, settings.server.port, settings.server.role) == ("127.0.0.1", 8000, "all")
    assert settings.gateway.anonymous_project is None
    assert settings.data == tmp_path


def test_later_places_win(tmp_path: Path) -> None:
    written(tmp_path, "[server]\nport = 1001\nhost = '::1'\nrole = 'console'\n")
    settings = load(
        data=tmp_path, environ={"TALLYSTICK_SERVER__PORT": "1002", "TALLYSTICK_SERVER__ROLE": "all"},
        flags={"server": {"role": "gateway", "host": None}},
    )
    assert (settings.server.host, settings.server.port, settings.server.role) == ("::1", 1002, "gateway")


def test_variables_reach_deep_tables_and_lists(tmp_path: Path) -> None:
    settings = load(data=tmp_path, environ={
        "TALLYSTICK_GATEWAY__LIMITS__BODY_BYTES_MAX": "77",
        "TALLYSTICK_PROVIDERS__OPENAI__BASE_URL": "http://127.0.0.1:9",
        "TALLYSTICK_PROVIDERS__OPENAI__CREDENTIALS__DEFAULT__ENV": "OPENAI_API_KEY",
        "TALLYSTICK_SERVER__TRUSTED_PROXIES": "10.0.0.0/8, 127.0.0.1",
        "TALLYSTICK_METRICS__TENANT_LABELS": "true",
    })
    assert settings.gateway.limits.body_bytes_max == 77
    assert settings.providers["openai"].credentials["default"].env == "OPENAI_API_KEY"
    assert settings.server.trusted_proxies == ("10.0.0.0/8", "127.0.0.1")
    assert settings.metrics.tenant_labels is True


@pytest.mark.parametrize(("text", "unknown", "nearest"), [
    ("[server]\nprot = 1\n", "server.prot", "server.port"),
    ("[sever]\nport = 1\n", "sever", "server"),
    ("[gateway.limits]\nbody_byte_max = 1\n", "gateway.limits.body_byte_max", "gateway.limits.body_bytes_max"),
    ("[providers.openai]\nbaseurl = 'x'\n", "providers.openai.baseurl", "providers.openai.base_url"),
    ("[providers.openai.credentials.default]\nenvv = 'x'\n", "credentials.default.envv", "credentials.default.env"),
])
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, text: str, unknown: str, nearest: str) -> None:
    written(tmp_path, text)
    with pytest.raises(BadSettings, match=f"{unknown}'.*{nearest}'"):
        load(data=tmp_path, environ={})


def test_an_unknown_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"TALLYSTICK_SERVER__PROT.*server\.port"):
        load(data=tmp_path, environ={"TALLYSTICK_SERVER__PROT": "1"})


@pytest.mark.parametrize("text", [
    "[server]\nport = 'many'\n",
    "[server]\nport = 70000\n",
    "[server]\nrole = 'king'\n",
    "[server]\ntls_cert = 'a.pem'\n",
    "[server]\ntrusted_proxies = ['10.0.0.1/8']\n",
    "[gateway.limits]\nbody_bytes_max = 0\n",
    "[providers.mine]\nkind = 'openai_compatible'\n",
    "[providers.openai]\nbase_url = 'file:///etc'\n",
    "[providers.mistral]\ncurrency = 'EUR'\n",
    "server = 3\n",
    "data = '/elsewhere'\n",
    "[server\n",
])
def test_what_makes_no_sense_is_refused(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    with pytest.raises(BadSettings):
        load(data=tmp_path, environ={})


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="cannot be read"):
        load(data=tmp_path, config=tmp_path / "none.toml", environ={})


def test_the_data_directory_is_the_flag_then_the_variable(tmp_path: Path) -> None:
    assert load(environ={"TALLYSTICK_DATA": str(tmp_path)}).data == tmp_path
    assert load(data=tmp_path / "a", environ={"TALLYSTICK_DATA": str(tmp_path)}).data == tmp_path / "a"


def test_the_first_admin_needs_address_and_password() -> None:
    assert first_admin({}) is None
    named = {"TALLYSTICK_ADMIN_EMAIL": "admin@local", "TALLYSTICK_ADMIN_PASSWORD": "long enough"}
    assert first_admin(named) == FirstAdmin("admin@local", "long enough")
    with pytest.raises(BadSettings):
        first_admin({"TALLYSTICK_ADMIN_EMAIL": "admin@local"})


@pytest.mark.parametrize("section", [
    CredentialSettings, DatabaseSettings, Drain, Gateway, JournalSettings, Limits, Metrics, ProviderSettings, Server, Settings,
])
def test_every_key_is_documented_beside_itself(section: type[Settings]) -> None:
    assert set(field_docs(section)) == set(section.__struct_fields__)


def test_no_workers_and_too_many_are_refused(tmp_path: Path) -> None:
    for count in (0, 65):
        with pytest.raises(BadSettings, match="workers"):
            load(data=tmp_path, flags={"server": {"workers": count}}, environ={})
    assert load(data=tmp_path, flags={"server": {"workers": 3}}, environ={}).server.workers == 3


def test_another_database_than_postgresql_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="TALLYSTICK_DATABASE__URL"):
        load(data=tmp_path, environ={"TALLYSTICK_DATABASE__URL": "mysql://here/x"})


def test_settings_pass_to_another_process_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "tallystick.toml").write_text('[journal]\ndeferred_max_age = "2h"\n[providers.openai.credentials.default]\nenv = "KEY"\n')
    settings = load(data=tmp_path, environ={"TALLYSTICK_DATABASE__URL": "postgresql://u:p@h/d"})
    assert decoded(encoded(settings)) == settings
    assert b"\n" not in encoded(settings)


@pytest.mark.parametrize(("said", "age_s"), [("7200", 7200), ('"7200"', 7200), ('"90s"', 90), ('"5m"', 300), ('"36h"', 129_600), ('"3d"', 259_200)])
def test_the_age_of_a_job_is_seconds_or_says_its_unit(tmp_path: Path, said: str, age_s: int) -> None:
    written(tmp_path, f"[journal]\ndeferred_max_age = {said}\n")
    assert load(data=tmp_path, environ={}).journal.deferred_max_age_s == age_s
    assert load(data=tmp_path, environ={"TALLYSTICK_JOURNAL__DEFERRED_MAX_AGE": said.strip('"')}).journal.deferred_max_age_s == age_s


def test_the_age_of_a_job_is_two_days_and_has_one_key(tmp_path: Path) -> None:
    assert JournalSettings().deferred_max_age_s == 48 * 3600
    for wrong in ("deferred_max_age = 0", 'deferred_max_age = "0h"', 'deferred_max_age = "two days"', "deferred_max_age_s = 60"):
        written(tmp_path, f"[journal]\n{wrong}\n")
        with pytest.raises(BadSettings):
            load(data=tmp_path, environ={})


@pytest.mark.parametrize("text", [
    "[server]\nport = 'often'\n", "[server]\ntrusted_proxies = ['10.0.0.0/8', 7]\n", "[providers.acme]\nfree = 'perhaps'\n", "server = 3\n",
])
def test_a_value_of_the_wrong_type_names_the_file(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BadSettings, match=f"^{re.escape(str(path))}: "):
        load(data=tmp_path, environ={"TALLYSTICK_SERVER__HOST": "::1"} if "server = " not in text else {})


def test_a_value_of_the_wrong_type_names_the_variable_or_the_flag(tmp_path: Path) -> None:
    written(tmp_path, "[server]\nport = 1\n")
    with pytest.raises(BadSettings, match="^TALLYSTICK_SERVER__PORT: "):
        load(data=tmp_path, environ={"TALLYSTICK_SERVER__PORT": "often"})
    with pytest.raises(BadSettings, match="^TALLYSTICK_PROVIDERS__ACME__FREE: "):
        load(data=tmp_path, environ={"TALLYSTICK_PROVIDERS__ACME__FREE": "perhaps"})
    with pytest.raises(BadSettings, match="^--port: "):
        load(data=tmp_path, environ={}, flags={"server": {"port": "often"}})
