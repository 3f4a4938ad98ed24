"""What a LiteLLM proxy's configuration comes to here, line by line: taken, taken differently (and how), or not taken (and
why). Reads values with their lines and writes texts: a fragment of our settings, rules for `tallystick apply`, keys for
`tallystick keys create --from`, and commands for prices. Secrets are never copied, only the names of the variables that
hold them. The shapes are those of LiteLLM's own documentation of `config.yaml`, `/key/list` and `/team/list`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from tallystick.connect.litellm_words import DEPLOYMENT, GENERAL, PROVIDERS, ROUTER, SETTINGS, SOURCES, UNKNOWN, Verdict

_ENVIRONMENT: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_SLUG: Final = re.compile(r"[^a-z0-9-]+")
_ALL_MODELS: Final = frozenset({"all-proxy-models", "all-team-models", "*"})
_PRICES: Final[Mapping[str, str]] = {
    "input_cost_per_token": "input_text", "output_cost_per_token": "output_text", "cache_read_input_token_cost": "cached_text",
    "cache_creation_input_token_cost": "cache_write_5m",
}
_KEY_FIELDS: Final = ("name", "team", "user", "expires")


@dataclass(frozen=True, slots=True)
class Line:
    """A value and the line it begins on: a table of Lines, a list of them, or text, number, truth or None."""

    line: int
    value: Any

    def table(self) -> Mapping[str, Line]:
        return self.value if isinstance(self.value, dict) else {}

    def items(self) -> Sequence[Line]:
        return self.value if isinstance(self.value, list) else ()

    def text(self) -> str:
        return "" if self.value is None or isinstance(self.value, dict | list) else str(self.value)


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one line. `source`: config, keys or teams."""

    source: Literal["config", "keys", "teams"]
    line: int
    where: str
    verdict: Verdict
    text: str


@dataclass(slots=True)
class _Provider:
    base_url: str | None = None
    kind: str | None = None
    free: bool = False
    credentials: dict[str, str] = field(default_factory=dict)      # name → variable
    models: dict[str, str] = field(default_factory=dict)           # deployment → model


@dataclass(slots=True)
class Import:
    """What was read so far. `origins`: where each provider is, by its id; `made`: the ids of keys made since, by name."""

    origins: Mapping[str, str | None]
    made: Mapping[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    providers: dict[str, _Provider] = field(default_factory=dict)
    budgets: list[dict[str, Any]] = field(default_factory=list)
    policies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[dict[str, str]] = field(default_factory=list)
    prices: list[tuple[str, ...]] = field(default_factory=list)
    _models: dict[str, list[str]] = field(default_factory=dict)    # LiteLLM's public name → the models behind it
    _rates: dict[str, dict[str, int]] = field(default_factory=dict)
    _teams: dict[str, str] = field(default_factory=dict)

    # --- the configuration ------------------------------------------------------------------------

    def config(self, document: Line) -> None:
        """Read `config.yaml`."""
        for name, section in document.table().items():
            if name == "model_list":
                for entry in section.items():
                    self._deployment(entry)
                self._rates_as_policies()
            elif name in ("litellm_settings", "router_settings", "general_settings"):
                words = {"litellm_settings": SETTINGS, "router_settings": ROUTER, "general_settings": GENERAL}[name]
                self._section(name, section, words)
            elif name == "environment_variables":
                for variable, value in section.table().items():
                    self._say(value, f"{name}.{variable}", "not taken", "Set it where the gateway is started; its value is not copied.")
            else:
                self._say(section, name, "not taken", SOURCES.get(name, UNKNOWN))

    def _deployment(self, entry: Line) -> None:
        fields, parameters = entry.table(), entry.table().get("litellm_params", Line(entry.line, {})).table()
        named, asked = fields.get("model_name", Line(entry.line, "")), parameters.get("model", Line(entry.line, ""))
        prefix, _, model = asked.text().rpartition("/") if "/" in asked.text() else ("", "", asked.text())
        prefix, model = (prefix.partition("/")[0], asked.text().partition("/")[2]) if prefix else (_guessed(model), model)
        where = f"model_list {named.text() or '?'}"
        given = parameters.get("api_base", Line(entry.line, None))
        provider = self._provider(prefix, given, named.text())
        if provider is None or not model:
            self._say(asked, where, "not taken", f"No provider here answers to {asked.text()!r}; "
                                                  "an OpenAI-compatible host needs its api_base.")
            return
        ours = self.providers.setdefault(provider, _Provider())
        self._models.setdefault(named.text(), []).append(model)
        self._called(named, where, provider, model)
        info = fields.get("model_info", Line(entry.line, {})).table()
        self._based(asked, provider, model, info.get("base_model", parameters.get("base_model")), where)
        for name, value in (*parameters.items(), *((name, value) for name, value in fields.items() if name in ("tpm", "rpm"))):
            self._parameter(ours, provider, model, name, value, where)
        for name, value in info.items():
            if name in _PRICES:
                self._price(provider, model, name, value, where)
            elif name != "base_model":
                self._say(value, f"{where} model_info.{name}", "not taken", "Nothing here needs it.")

    def _provider(self, prefix: str, base: Line, named: str) -> str | None:
        """Our id of the provider that is asked, made for a host of one's own."""
        known = PROVIDERS.get(prefix)
        address = base.text()
        foreign = address and not _ENVIRONMENT.match(address) and not (known and _same_host(address, self.origins.get(known)))
        if known in ("azure", "ollama") and foreign:
            return self._hosted(known, address, base, named)
        if foreign and (known is None or known == "openai" or prefix in ("hosted_vllm", "openai_like", "custom_openai")):
            host = _SLUG.sub("-", (urlsplit(address).hostname or named).lower()).strip("-") or "host"
            made = self.providers.setdefault(host, _Provider(base_url=_origin(address), kind="openai_compatible"))
            if made.base_url != _origin(address):
                self._say(base, f"model_list {named} api_base", "not taken", f"{host} has an address already, {made.base_url}.")
            else:
                self._say(base, f"model_list {named} api_base", "differently",
                          f"A provider of your own: [providers.{host}], asked as /proxy/{host}/v1/….")
            return host
        if foreign and known is not None:
            self._say(base, f"model_list {named} api_base", "taken", f"[providers.{known}] base_url.")
            self.providers.setdefault(known, _Provider()).base_url = _origin(address)
        elif _ENVIRONMENT.match(address):
            self._say(base, f"model_list {named} api_base", "not taken",
                      f"Its value is in your environment: write it as [providers.{known or '…'}] base_url.")
        return known

    def _hosted(self, known: str, address: str, base: Line, named: str) -> str | None:
        """A provider whose address is its customer's; there is one of it."""
        stands = self.providers.setdefault(known, _Provider(base_url=_origin(address)))
        stands.base_url = stands.base_url or _origin(address)
        if stands.base_url != _origin(address):
            self._say(base, f"model_list {named} api_base", "not taken", f"[providers.{known}] has one address, here {stands.base_url}.")
            return None
        self._say(base, f"model_list {named} api_base", "taken", f"[providers.{known}] base_url.")
        return known

    def _called(self, named: Line, where: str, provider: str, model: str) -> None:
        if named.text() in (model, f"{provider}/{model}", "*") or model == "*":
            what = "any model" if "*" in model else model
            self._say(named, where, "taken", f"Callers ask {provider} for {what}; nothing has to be listed.")
        else:
            self._say(named, where, "differently", f"Names are passed on as callers write them: who asked for {named.text()!r} asks "
                                                   f"{provider} for {model!r} from now on.")

    def _based(self, at: Line, provider: str, model: str, base: Line | None, where: str) -> None:
        if base is not None:
            means = base.text().partition("/")[2] or base.text()
            self.providers[provider].models[model] = means
            self._say(base, f"{where} base_model", "taken", f"[providers.{provider}.models] {model!r} is priced as {means!r}.")
        elif provider == "azure":
            self._say(at, where, "differently",
                      f"Deployment {model!r} has no base_model: name it in [providers.azure.models], or it is unpriced.")

    def _parameter(self, ours: _Provider, provider: str, model: str, name: str, value: Line, where: str) -> None:
        if name in ("model", "api_base", "base_model"):
            return
        at = f"{where} {name}"
        if name == "api_key":
            self._credential(ours, provider, value, at)
        elif name in _PRICES:
            self._price(provider, model, name, value, where)
        elif name in ("tpm", "rpm"):
            unit = "tokens" if name == "tpm" else "requests"
            sums = self._rates.setdefault(model, {})
            sums[unit] = sums.get(unit, 0) + _whole(value)
            self._say(value, at, "differently",
                      f"LiteLLM spreads load by it; here a `rates` policy on model {model} refuses what is more (429).")
        else:
            self._say(value, at, *DEPLOYMENT.get(name, ("not taken", "What callers send is passed on as it is; set it in the call.")))

    def _credential(self, ours: _Provider, provider: str, value: Line, at: str) -> None:
        variable = _ENVIRONMENT.fullmatch(value.text())
        if variable is None:
            self._say(value, at, "not taken", f"It is a secret in the file, and is not copied: `tallystick credentials set {provider}`.")
            return
        if variable[1] in ours.credentials.values():
            return
        name = "default" if not ours.credentials else _SLUG.sub("-", variable[1].lower()).strip("-")
        ours.credentials[name] = variable[1]
        more = "" if name == "default" else " Keys or projects name it (`--credential`), or a `failover` policy goes on with it."
        self._say(value, at, "taken", f"[providers.{provider}.credentials.{name}] env = {variable[1]!r}.{more}")

    def _price(self, provider: str, model: str, name: str, value: Line, where: str) -> None:
        amount = _number(value)
        if amount is None:
            self._say(value, f"{where} {name}", "not taken", "It is no number.")
            return
        if not amount:
            self.providers[provider].free |= self.providers[provider].kind is not None
            self._say(value, f"{where} {name}", *(("taken", f"[providers.{provider}] free = true.") if self.providers[provider].free else
                                                  ("not taken", "A price of nothing would hide what the provider bills.")))
            return
        price = format((amount * 1_000_000).normalize(), "f")
        command = ("tallystick", "prices", "overrides", "set", provider, model, "--price", price, "--unit", _PRICES[name], "--unlisted",
                   "--note", "from LiteLLM's configuration")
        if command not in self.prices:
            self.prices.append(command)
        self._say(value, f"{where} {name}", "taken", f"An override: ${price} a million {_PRICES[name]} of {model}.")

    def _rates_as_policies(self) -> None:
        for model, sums in self._rates.items():
            self.policies.append({"kind": "rates", "scope": "model", "value": model, "name": f"LiteLLM: {model}",
                                  "parameters": {**sums, "window": "minute"}})

    def _section(self, name: str, section: Line, words: Mapping[str, tuple[Verdict, str]]) -> None:
        fields = section.table()
        for key, value in fields.items():
            at = f"{name}.{key}"
            if key in ("max_budget", "max_internal_user_budget", "max_end_user_budget") and name == "litellm_settings":
                window = fields.get({"max_budget": "budget_duration"}.get(key, "internal_user_budget_duration"))
                scope = ("org", "") if key == "max_budget" else ("user", "*")
                self._budget(value, at, scope, window if key != "max_end_user_budget" else None)
            elif key in ("budget_duration", "internal_user_budget_duration"):
                continue
            elif key in ("default_key_generate_params", "upperbound_key_generate_params"):
                self._limits(value, at, "config", ("key", "*"))
            elif key in ("provider_budget_config", "tag_budget_config") and name == "router_settings":
                for subject, budget in value.table().items():
                    of = ("provider", PROVIDERS.get(subject, subject)) if key.startswith("provider") else ("tag", subject)
                    limits = budget.table()
                    limit = limits.get("budget_limit", limits.get("max_budget"))
                    if limit is not None:
                        self._budget(limit, f"{at}.{subject}", of, limits.get("time_period", limits.get("budget_duration")))
            else:
                self._say(value, at, *words.get(key, ("not taken", UNKNOWN)))

    # --- teams and keys ---------------------------------------------------------------------------

    def teams(self, document: Line) -> None:
        """Read what `/team/list` answers."""
        for team in _listed(document, "teams"):
            fields = team.table()
            name = _first(fields, "team_alias", "team_id")
            self._teams[fields.get("team_id", team).text()] = name
            if not name:
                continue
            self._say(team, f"team {name}", "taken", "It is made when a key or a call names it first.", "teams")
            self._limits(team, f"team {name}", "teams", ("team", name))

    def key_list(self, document: Line) -> None:
        """Read what `/key/list?return_full_object=true` answers."""
        for key in _listed(document, "keys"):
            fields = key.table()
            name = _first(fields, "key_alias", "key_name", "token")[:256]
            if not name:
                self._say(key, "a key", "not taken", "It has no name: ask for /key/list?return_full_object=true.", "keys")
                continue
            if fields.get("blocked", Line(0, None)).value is True:
                self._say(key, f"key {name}", "not taken", "It is blocked.", "keys")
                continue
            team = fields.get("team_id", Line(0, None)).text()
            line = {"name": name, "team": self._teams.get(team, team), "user": fields.get("user_id", Line(0, None)).text(),
                    "expires": fields.get("expires", Line(0, None)).text()}
            if name not in self.made:
                self.keys.append(line)
            self._say(key, f"key {name}", "differently",
                      f"Is key {self.made[name]} now." if name in self.made else
                      "A key's text cannot be taken over: LiteLLM keeps a hash. A new one is made, in keys.csv.", "keys")
            self._limits(key, f"key {name}", "keys", ("key", self.made[name]) if name in self.made else None)

    def _limits(self, holder: Line, at: str, source: Literal["config", "keys", "teams"], scope: tuple[str, str] | None) -> None:
        """Budget, rates and models of a team, a key or every key."""
        fields = holder.table()
        waits = "It waits for the key's id: make the keys, then import again with --made."
        if (limit := fields.get("max_budget")) is not None and limit.value is not None:
            if scope is None:
                self._say(limit, f"{at} max_budget", "differently", waits, source)
            else:
                self._budget(limit, f"{at} max_budget", scope, fields.get("budget_duration"), source)
        rates = {ours: _whole(fields[theirs]) for theirs, ours in
                 (("rpm_limit", "requests"), ("tpm_limit", "tokens"), ("max_parallel_requests", "concurrent"))
                 if theirs in fields and fields[theirs].value is not None}
        if rates:
            first = next(fields[name] for name in ("rpm_limit", "tpm_limit", "max_parallel_requests") if name in fields)
            window = {"window": "minute"} if rates.keys() - {"concurrent"} else {}
            self._policy(first, f"{at} limits", scope, "rates", {**rates, **window}, waits, source)
        models = fields.get("models")
        if models is not None and (names := self._real(models)):
            self._policy(models, f"{at} models", scope, "model_access", {"allow_models": names}, waits, source)

    def _policy(
        self, at: Line, where: str, scope: tuple[str, str] | None, kind: str, parameters: dict[str, Any], waits: str,
        source: Literal["config", "keys", "teams"],
    ) -> None:
        if scope is None:
            self._say(at, where, "differently", waits, source)
            return
        self.policies.append(
            {"kind": kind, "scope": scope[0], "value": scope[1], "name": f"LiteLLM: {where}"[:120], "parameters": parameters})
        self._say(at, where, "taken", f"A `{kind}` policy on {':'.join(part for part in scope if part)}.", source)

    def _budget(
        self, limit: Line, at: str, scope: tuple[str, str], window: Line | None, source: Literal["config", "keys", "teams"] = "config",
    ) -> None:
        amount = _number(limit)
        if amount is None or amount <= 0:
            self._say(limit, at, "not taken", "A budget is a positive number.", source)
            return
        span = window.text() if window is not None and window.value is not None else "total"
        self.budgets.append({"scope": scope[0], **({"value": scope[1]} if scope[1] else {}), "limit": f"${amount:f}", "window": span})
        self._say(limit, at, "taken", f"A hard budget of ${amount:f} per {span} on {':'.join(part for part in scope if part)}.", source)

    def _real(self, models: Line) -> list[str]:
        """The models behind LiteLLM's names, none where all are open."""
        names = [name.text() for name in models.items()]
        if not names or _ALL_MODELS & set(names):
            return []
        return sorted({model for name in names for model in self._models.get(name, [name.rpartition("/")[2] or name])})

    def _say(self, at: Line, where: str, verdict: Verdict, text: str, source: Literal["config", "keys", "teams"] = "config") -> None:
        self.findings.append(Finding(source, at.line, where, verdict, text))

    def sorted(self) -> list[Finding]:
        """The findings as the files run: what is of the whole configuration first, then teams and keys."""
        return sorted(self.findings, key=lambda found: (("config", "teams", "keys").index(found.source), found.line))

    # --- what comes of it -------------------------------------------------------------------------

    def files(self) -> dict[str, str]:
        """The files by their names; what would be empty is left out."""
        made = {"tallystick.toml": "\n".join(self._settings()), "rules.toml": "\n".join(self._rules()), "keys.csv": self._sheet(),
                "prices.sh": "".join(" ".join(map(_word, command)) + "\n" for command in self.prices)}
        return {name: text for name, text in made.items() if text}

    def _settings(self) -> Iterator[str]:
        for name, ours in self.providers.items():
            own = {"kind": ours.kind, "base_url": ours.base_url, "free": ours.free}
            said = [f"{key} = {_toml(value)}" for key, value in own.items() if value]
            if said:
                yield "\n".join((f"[providers.{name}]", *said, ""))
            for credential, variable in ours.credentials.items():
                yield f"[providers.{name}.credentials.{credential}]\nenv = {_toml(variable)}\n"
            if ours.models:
                named = (f"{_toml(there)} = {_toml(here)}" for there, here in ours.models.items())
                yield "\n".join((f"[providers.{name}.models]", *named, ""))

    def _rules(self) -> Iterator[str]:
        for kind, items in (("budgets", self.budgets), ("policies", self.policies)):
            for item in items:
                yield "\n".join((f"[[{kind}]]", *(f"{name} = {_toml(value)}" for name, value in item.items()), ""))

    def _sheet(self) -> str:
        if not self.keys:
            return ""
        sheet = io.StringIO()
        writer = csv.DictWriter(sheet, _KEY_FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.keys)
        return sheet.getvalue()


def _listed(document: Line, name: str) -> Sequence[Line]:
    return document.items() or document.table().get(name, Line(0, [])).items()


def _first(fields: Mapping[str, Line], *names: str) -> str:
    return next((text for name in names if name in fields and (text := fields[name].text())), "")


def _guessed(model: str) -> str:
    """The provider of a name without one, as LiteLLM takes it."""
    known = (("claude", "anthropic"), ("gemini", "vertex_ai"), ("command", "cohere"), ("mistral", "mistral"), ("gpt", "openai"),
             ("o1", "openai"), ("o3", "openai"), ("o4", "openai"), ("text-embedding", "openai"), ("chatgpt", "openai"))
    return next((provider for start, provider in known if model.startswith(start)), "")


def _number(value: Line) -> Decimal | None:
    try:
        number = Decimal(value.text().replace("_", ""))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _whole(value: Line) -> int:
    number = _number(value)
    return max(1, int(number)) if number is not None else 1


def _origin(address: str) -> str:
    return re.sub(r"/v1/?$", "", address.rstrip("/"))


def _same_host(address: str, origin: str | None) -> bool:
    return origin is not None and urlsplit(address).hostname == urlsplit(origin).hostname


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_toml(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value).lower() if isinstance(value, bool | int) else json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")


def _word(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_./:-]+", text) else "'" + text.replace("'", "'\\''") + "'"
