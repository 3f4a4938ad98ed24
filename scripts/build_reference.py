"""Write docs/reference/ from the tables the code itself uses, so that the pages cannot say otherwise.

    python scripts/build_reference.py            write the pages
    python scripts/build_reference.py --check    exit 1 when a page is not what it would write

`tests/test_docs.py` makes each page of `PAGES` and compares.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast, get_args, get_origin

import msgspec
import typer.main

from tallystick import cli, config, control, telemetry
from tallystick.connect import clients
from tallystick.control import roles
from tallystick.core import identity, keyformat
from tallystick.core.dialect import Provider
from tallystick.edge import attribution, credentials, replies
from tallystick.providers import PROVIDERS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "tallystick"
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/build_reference.py from the code; edit the code, then run `make reference`. -->\n"


def cell(text: object) -> str:
    """Text that may stand in a table's cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


# --- settings -------------------------------------------------------------------------------------

SETTINGS_INTRO = """# Settings

One file, `tallystick.toml`, in the data directory (or `--config FILE`, or `$TALLYSTICK_CONFIG`); over it the
environment, over that the command line. An unknown key is an error that names the nearest known one.

- A variable is `TALLYSTICK_<SECTION>__<KEY>`, deeper tables by a further `__`:
  `TALLYSTICK_SERVER__PORT=9000`, `TALLYSTICK_GATEWAY__LIMITS__BODY_BYTES_MAX=1048576`. Lists are separated by commas.
- The data directory is no key of the file: `--data DIR`, else `$TALLYSTICK_DATA`, else `~/.local/share/tallystick`.
- `TALLYSTICK_ADMIN_EMAIL` and `TALLYSTICK_ADMIN_PASSWORD` (both or neither) make the first administrator.
- A provider key is never a setting: a credential is sealed by `tallystick credentials set`, or names the environment
  variable that holds it.
"""


def settings_page() -> str:
    """Every section and key: type, default, meaning."""
    return MADE + SETTINGS_INTRO + "".join(section(config.Settings, ""))


def section(shape: type[msgspec.Struct], path: str) -> Iterator[str]:
    """One table for the section's own values, then its sub-sections."""
    docs, inner = config.field_docs(shape), []
    rows = []
    for field in msgspec.structs.fields(shape):
        below = struct_in(field.type)
        if below is not None:
            inner.append((below, f"{path}.{field.encode_name}".lstrip(".") + ("" if is_struct(field.type) else ".<name>")))
        elif path:
            rows.append(f"| `{field.encode_name}` | {type_text(field.type)} | {default_text(field)} | {cell(docs.get(field.name, ''))} |\n")
        elif get_origin(field.type) is dict:
            yield f"\n## `[{field.encode_name}]`\n\n{docs.get(field.name, '')}\n"
    if path:
        title = " ".join((shape.__doc__ or "").split())
        yield f"\n## `[{path}]`\n\n{title}\n"
        if rows:
            yield "\n| key | type | default | meaning |\n|---|---|---|---|\n"
            yield from rows
    for below, name in inner:
        yield from section(below, name)


def is_struct(hint: Any) -> bool:
    """Whether the hint is a section."""
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """The section a field holds, directly or by name."""
    if is_struct(hint):
        return hint  # type: ignore[no-any-return]
    if get_origin(hint) is dict and is_struct(get_args(hint)[1]):
        return get_args(hint)[1]  # type: ignore[no-any-return]
    return None


def type_text(hint: Any) -> str:
    """A type in an operator's words."""
    hint = getattr(hint, "__origin__", hint) if hasattr(hint, "__metadata__") else hint
    if get_origin(hint) is tuple:
        return "list"
    if get_origin(hint) is dict:
        return "table"
    options = [arg for arg in get_args(hint) if arg is not type(None)]
    if options:
        return " or ".join(f"`{arg}`" if isinstance(arg, str) else type_text(arg) for arg in options)
    names = {"str": "text", "int": "whole number", "bool": "`true` or `false`", "Path": "path"}
    return names.get(getattr(hint, "__name__", ""), cell(hint))


def default_text(field: msgspec.structs.FieldInfo) -> str:
    """The default as it would stand in the file."""
    if field.default_factory is not msgspec.NODEFAULT or field.default in (None, (), {}):
        return "–"
    if field.default is msgspec.NODEFAULT:
        return "required"
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


# --- metrics --------------------------------------------------------------------------------------

METRICS_INTRO = """# Metrics

`GET /metrics` answers in Prometheus' text form. Figures count from the start of the process; the money that must
outlive it is in the ledger. No user, key, prompt or tenant is a label, and past {models} distinct models the rest are
counted as `other`.

| metric | labels | meaning |
|---|---|---|
"""


def metrics_page() -> str:
    """Every metric with its labels and help text, read from the families the code would expose."""
    rows = []
    for family in telemetry.Telemetry("0").collect():
        suffix = "_total" if getattr(family, "type", "") == "counter" else ""
        labels = ", ".join(f"`{name}`" for name in getattr(family, "_labelnames", ())) or "–"
        rows.append(f"| `{family.name}{suffix}` | {labels} | {cell(family.documentation)} |\n")  # type: ignore[attr-defined]
    return MADE + METRICS_INTRO.format(models=telemetry.MODELS_MAX) + "".join(rows)


# --- commands -------------------------------------------------------------------------------------

CLI_INTRO = """# Commands

Every command prints a table for people and, with `--json`, one JSON document. Exit code 0: good; 1: it found something
wrong; 2: it could not judge, or could not do what was asked. Commands work with the server running or not.
"""


def cli_page() -> str:
    """Every command with its arguments and options, as `--help` knows them."""
    root = typer.main.get_command(cli.build())
    return MADE + CLI_INTRO + "".join(command_text(root, "tallystick"))


def command_text(command: Any, name: str) -> Iterator[str]:
    """A command's section, or those of the commands below it."""
    children = getattr(command, "commands", None)
    if children is not None:
        for child_name, child in children.items():
            yield from command_text(child, f"{name} {child_name}")
        return
    help_text = re.sub(r"\s+", " ", (command.help or "").replace("\f", " ").strip())
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    yield f"\n## `{' '.join([name, *(argument_text(a) for a in arguments)])}`\n\n{help_text}\n\n"
    for parameter in command.params:
        if parameter.param_type_name == "option":
            flags = ", ".join(parameter.opts + parameter.secondary_opts)
            value = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or 'VALUE'}"
            yield f"- `{flags}{value}` {cell(getattr(parameter, 'help', '') or '')}\n"


def argument_text(argument: Any) -> str:
    """`REQUEST_ID`, in brackets where it may be missing."""
    name = (argument.metavar or argument.name or "").upper()
    return name if argument.required else f"[{name}]"


def command_names() -> Iterator[str]:
    """Every command as it is typed, without the program's name: `keys create`."""
    def below(command: Any, name: str) -> Iterator[str]:
        yield name
        for child_name, child in getattr(command, "commands", {}).items():
            yield from below(child, f"{name} {child_name}".strip())

    yield from (name for name in below(typer.main.get_command(cli.build()), "") if name)


# --- refusals -------------------------------------------------------------------------------------

ERRORS_INTRO = """# Refusals

What the gateway answers itself, in the shape of the caller's dialect. `code` is stable; the message is for people and
may change. `x-should-retry` says whether the same call may succeed later; the official SDKs obey it. Every refusal is
an entry of the ledger. What a provider answers, errors included, passes unchanged and is not in this list.

| code | status | try again | OpenAI type | Anthropic type | Gemini status | meaning |
|---|---|---|---|---|---|---|
"""

ERRORS_SHAPES = """
## Shapes

| dialect | body |
|---|---|
| OpenAI, and where none is known | `{"error": {"message", "type", "param", "code", "tallystick": {…}}}` |
| Anthropic | `{"type": "error", "error": {"type", "message", "tallystick": {…}}, "request_id"}` |
| Gemini | `{"error": {"code", "message", "status", "details": [{"@type": "…ErrorInfo", "reason", "domain": "tallystick", "metadata": {…}}]}}` |
| Cohere, Bedrock | `{"message", "tallystick": {…}}` |

`tallystick` (Gemini: `metadata`) holds `code` and `request_id`, and what the code has to add.
"""


def errors_page() -> str:
    """Every code a refusal may carry."""
    rows = [
        f"| `{entry.code}` | {entry.status} | {'yes' if entry.retryable else 'no'} | `{entry.openai_type}` | `{entry.anthropic_type}` "
        f"| `{entry.gemini_status}` | {cell(entry.meaning)} |\n"
        for entry in sorted(replies.CODES, key=lambda entry: (entry.status, entry.code))
    ]
    return MADE + ERRORS_INTRO + "".join(rows) + ERRORS_SHAPES


def refusal_codes() -> set[str]:
    """The code of every `Denied(…)` in the source."""
    codes = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Denied" and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant):
                    codes.add(str(code.value))
    return codes


# --- headers --------------------------------------------------------------------------------------

HEADERS_INTRO = """# Headers

Names are case-insensitive. Everything in the first two tables is ours: it is read, journaled where it says something
about the call, and never forwarded to a provider.

## Who calls

One of these authenticates the call; the provider's own credential then stands where the provider takes it. Without one
of them an issued key may stand in the provider's place itself: `Authorization`, `x-api-key`, `x-goog-api-key`,
`api-key` or `?key=`, looked at in this order. An issued key, or any value with a prefix of ours ({prefixes}), is taken
out of every place and never forwarded.

| header | |
|---|---|
{keys}
## What a call is booked on

Our own header counts first, then the body's `_aipromptcost`, then the table from top to bottom. The same header with
two different values is refused. What a key fixes is *verified*; what a header adds is *claimed*, and a header cannot
move a call out of its key's team or project.

| header | says |
|---|---|
{claims}
Tags are comma-separated `name` or `name=value`, percent-encoded where needed; at most {tags} tags and {tags}
dimensions, names of at most {name} and values of at most {value} characters. A budget is dollars a calendar month
(`500`, `49.90`, `$500/month`) that bound this call; see [budgets](../budgets.md).

## What comes back

| header | |
|---|---|
| `x-tallystick-request-id` | the call's id, on every answer: what `tallystick explain` and the API take |
| `x-tallystick-cost-usd` | on JSON replies of at most 1 MiB that were priced |
| `x-tallystick-model` | the model that a policy asked for instead |
| `x-tallystick-credential` | the stored credential that a `failover` policy let carry the call instead of its own |
| `x-tallystick-attempts` | how many times the call was sent, where that is more than once |
| `x-tallystick-warning` | something that was asked for and is not in force |
| `x-should-retry` | on our own refusals: whether the same call may succeed later |
"""

def headers_page() -> str:
    """Key headers and attribution headers with their aliases."""
    keys = "".join(f"| `{canonical(name)}` | {'ours' if b'tallystick' in name else 'alias'} |\n" for name in credentials.KEY_HEADERS)
    keys += f"| `{canonical(credentials.PROVIDER_KEY_HEADER)}` | the provider's key, on `/api/proxy/v1/…` only |\n"
    claims = "".join(f"| `{canonical(name)}` | {MEANINGS.get(meaning, meaning.replace('_', ' '))} |\n" for name, meaning in attribution.HEADERS)
    claims += "".join(f"| `{canonical(prefix)}<Name>` | a dimension of that name |\n" for prefix in attribution.DIMENSION_PREFIXES)
    return MADE + HEADERS_INTRO.format(
        prefixes=", ".join(f"`{prefix}`" for prefix in keyformat.PREFIXES), keys=keys, claims=claims,
        tags=identity.TAGS_MAX, name=identity.NAME_CHARS_MAX, value=identity.VALUE_CHARS_MAX,
    )


MEANINGS = {
    "budget": "budget of this call's team and project, dollars a month",
    "route": "a route of the organisation (journaled)",
    "confirm": "answers an expensive-call confirmation (journaled)",
    "sandbox": "`true`: a simulated reply in the provider's shape, at no cost",
    "promptcost": "JSON: `prompt_key`, `version`, `feature_tags`",
    "metadata": "a flat JSON object whose members become dimensions",
}


def canonical(name: bytes) -> str:
    """A header's name as people write it."""
    text = name.decode()
    return text if text.startswith("_") else "-".join(part.capitalize() for part in text.split("-"))


# --- providers ------------------------------------------------------------------------------------

PROVIDERS_INTRO = """# Providers

Every route of a provider passes through and is journaled. A route with a dialect is metered; a route that the provider
bills and that has no meter yet is journaled as `unpriced` and counted, never as zero. A POST that is not listed is
treated as billed. All are reached under `/proxy/<id>/<the provider's own path>`; a host of your own that speaks OpenAI's
dialect is added by configuration (`kind = "openai_compatible"`).

| id | provider | origin | key in | error shape | streams state usage | stated cost is billed |
|---|---|---|---|---|---|---|
"""


def providers_page() -> str:
    """Every provider, then the metered and the free routes of each."""
    rows = [
        f"| `{p.id}` | [{p.name}]({p.docs_url}) | {f'`{p.base_url}`' if p.base_url else 'configured'} "
        f"| {', '.join(f'`{place.header}`' for place in p.credentials)} | {p.error_shape} "
        f"| {'when asked' if p.asks_stream_usage else 'always'} | {'yes' if p.states_cost else 'no'} |\n"
        for p in PROVIDERS
    ]
    return MADE + PROVIDERS_INTRO + "".join(rows) + "".join(routes_text(p) for p in PROVIDERS)


def routes_text(provider: Provider) -> str:
    """A provider's routes, in three kinds."""
    metered = "".join(f"| `{r.method} {r.path}` | {r.operation} | `{r.dialect.name}` |\n" for r in provider.routes if r.dialect and not r.free)
    unmetered = sorted({f"`{r.method} {r.path}`" for r in provider.routes if not r.dialect and not r.free})
    text = f"\n## {provider.name}\n\n| metered | operation | dialect |\n|---|---|---|\n{metered}"
    if unmetered:
        text += "\nBilled by the provider, not metered here yet: " + ", ".join(unmetered) + ".\n"
    if provider.regions:
        where = f"after `/{provider.region_after}/`" if provider.region_after else "before the path"
        text += f"\nHosts of their own ({where}): " + ", ".join(f"`{region}`" for region in sorted(provider.regions)) + ".\n"
    return text


# --- the API --------------------------------------------------------------------------------------

API_INTRO = """# API

Below `/api`, JSON. The full description, with every schema, is OpenAPI 3.1 at `GET /api/openapi.json`.

- *Who:* a person logs in at `POST /api/auth/token` (OAuth2's password form, or JSON with `username` and `password`, and
  `organization` where they belong to several) and sends the token as `Authorization: Bearer …`. A virtual key may stand
  there instead; it opens what is marked. What a role sees of a list is in parentheses; ids of other things are 404.
- *Errors* are `application/problem+json` with a stable `code`.
- *Lists* have `items` (or their own name) and `next_cursor`; give it back as `cursor` for the next page.
- *Amounts* are integers of nano-dollars in members named `…_nanos`; `cost_usd` is the same figure as a decimal text.
  The aggregations give plain JSON numbers of dollars, as the system they come from does.

| | open to | parameters | |
|---|---|---|---|
"""

CALL_FIELDS = {
    "id": "the call's id, `x-tallystick-request-id` of its answer",
    "at": "when it was admitted",
    "state": "`open`, `deferred` (a job whose result is still to come), `settled` or `refused`",
    "organization": "whose it is",
    "attribution": "what it is booked on: `key_id`, labels, `tags` as a list of `[name, value]`, `dimensions`; `claimed` names what only the caller asserts",
    "provider": "provider id",
    "operation": "route name: chat, messages, embeddings…",
    "dialect": "wire format that was metered, null where none was",
    "requested_model": "model as asked",
    "served_model": "model as the provider named it",
    "stream": "whether a stream was asked for",
    "sandbox": "answered by the sandbox, at no cost",
    "route": "the route that the caller named, null where none",
    "budget_nanos": "the monthly budget that the caller named, in nano-dollars; null where none",
    "status": "the provider's status, or ours for a refusal; 0 where there was none",
    "outcome": "`completed`, `failed`, `cut`, `client_gone`, `unreached`, `deferred`, `recovered`, `refused`",
    "method": "where the cost comes from: `stated`, `priced`, `estimated`, `unpriced`, `sandbox`",
    "basis": "what it rests on: `usage`, `counted`, `worst_case`, `zero_proven`, `deferred`",
    "code": "why it was refused or failed, where that is known",
    "policies": "which policies did something to the call (`id`, `did`): `edited`, `warned`; `observed`: it only observes; `bypassed`: the glass was broken",
    "asked": "of what policies or budgets changed in the request, what the caller wrote; empty text for nothing",
    "usage": "inclusive totals by name, zeros left out; null where none is known",
    "cost_nanos": "what the call costs, in nano-dollars: what was booked, and every correction since",
    "cost_usd": "the same as a decimal text",
    "currency": "currency of `cost_in_currency_nanos`",
    "cost_in_currency_nanos": "the cost in that currency",
    "fx_rate_id": "the rate that converted it, null for US dollars",
    "booked_cost_nanos": "what was booked; only where the call was corrected since",
    "booked_cost_usd": "the same as a decimal text",
    "adjustments": "the corrections in their order: `entry`, `attempt`, `reason` (`reprice`, `evidence`), `text`, `actor`, "
                   "`approved_by`, `delta_nanos`, `cost_nanos` of the attempt from there on, `call_day`, `posted_day`, and a re-pricing's `price_version` and `lines`",
    "would_be_cost_nanos": "sandbox: what it would have cost",
    "stated_cost_nanos": "what the provider said it charged",
    "computed_cost_nanos": "what the price book makes of the usage",
    "upstream_cost_nanos": "bring-your-own-key: what is billed to the key's owner elsewhere",
    "drift": "stated and computed differ by more than $0.0001 and 0.5 %",
    "held_nanos": "the upper bound written before it went upstream",
    "first_byte_ms": "from admission to the reply's first byte",
    "latency_ms": "from admission to the reply's end",
    "lines": "the arithmetic: `unit`, `quantity`, `rate_usd`, `per`, `factor`, `amount_usd`, `price_row` and its source",
    "attempts": "each attempt with the same fields of its own",
}


def api_page() -> str:
    """Every route with who may open it, and the document of a call."""
    described = control.build(_no_parts()).openapi()["paths"]
    rows = []
    for grant in roles.GRANTS:
        operation = described.get(grant.path, {}).get(grant.method.lower())
        if operation is not None:
            names = ", ".join(f"`{parameter['name']}`" for parameter in operation.get("parameters", ()) if parameter["in"] == "query")
            text = cell(operation.get("description", ""))
            rows.append(f"| `{grant.method} {grant.path}` | {_opened_by(grant.cells)} | {names} | {text} |\n")
    fields = "".join(f"| `{name}` | {cell(text)} |\n" for name, text in CALL_FIELDS.items())
    return MADE + API_INTRO + "".join(rows) + f"\n## A call\n\n| field | |\n|---|---|\n{fields}"


def openapi_document() -> str:
    """The API's description as it answers it itself; the console's client is made from it."""
    return json.dumps(control.build(_no_parts()).openapi(), indent=1, ensure_ascii=False) + "\n"


def clients_document() -> str:
    """The clients of clients.toml as the console reads them."""
    return json.dumps(clients.document(clients.shipped()), indent=1, ensure_ascii=False) + "\n"


def manual_document() -> str:
    """What the console's help shows of the manual: headings, paragraphs, tables and lines of code of four pages."""
    written = {name: (FOLDER.parent / f"{name}.md").read_text(encoding="utf-8") for name in ("practices", "troubleshooting")}
    pages = {**written, "headers": headers_page(), "refusals": errors_page()}
    return json.dumps({name: list(_sections(text)) for name, text in pages.items()}, indent=1, ensure_ascii=False) + "\n"


def _sections(page: str) -> Iterator[dict[str, Any]]:
    """A page's sections in order: `level`, `title` and `blocks`, each of which has `text`, `code` (lines) or `table` (rows of cells)."""
    body = re.sub(r"<!--.*?-->\n?", "", page, flags=re.DOTALL)
    for heading, text in re.findall(r"^(#+ .+)\n((?:(?!#+ ).*\n?)*)", body, re.MULTILINE):
        marks, _, title = heading.partition(" ")
        blocks = [_block(block) for block in re.split(r"\n{2,}", text.strip("\n")) if block.strip()]
        yield {"level": len(marks), "title": title, "blocks": blocks}


def _block(text: str) -> dict[str, Any]:
    lines = text.splitlines()
    if all(line.startswith("|") for line in lines):
        rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines]
        return {"table": [row for row in rows if not all(set(cell) <= {"-", ":"} for cell in row)]}
    if all(line.startswith("    ") for line in lines):
        return {"code": "\n".join(line[4:] for line in lines)}
    return {"text": " ".join(line.strip() for line in lines)}


_REACHED: Final = {"all": "", "self": "", "own_teams": " (own teams)", "own": " (own)", "ids": " (ids)", "names": " (names)",
                   "propose": " (proposes)", "own_team": " (its team)"}


def _opened_by(cells: roles.Cells) -> str:
    names = {"key": "virtual key"}
    return "anyone" if "anyone" in cells else ", ".join(f"{names.get(role, role)}{_REACHED[cell]}" for role, cell in cells.items())


def _no_parts() -> control.Parts:
    """Enough to describe the application; nothing of it is ever called."""
    return control.Parts(cast("Any", None), cast("Any", None), cast("Any", None), bytes(32), str, vault=cast("Any", SimpleNamespace(keks=None)),
                         credentials=cast("Any", None), prices=cast("Any", None))


# --- writing --------------------------------------------------------------------------------------

PAGES: Final[dict[str, Callable[[], str]]] = {
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "cli.md": cli_page,
    "errors.md": errors_page,
    "headers.md": headers_page,
    "providers.md": providers_page,
    "api.md": api_page,
    "openapi.json": openapi_document,
    "clients.json": clients_document,
    "manual.json": manual_document,
}
"""File name → what makes its text."""


def main() -> int:
    stale = []
    for name, make in PAGES.items():
        text, path = make(), FOLDER / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if stale:
        print(("Not fresh: " if "--check" in sys.argv else "Written: ") + ", ".join(stale))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
