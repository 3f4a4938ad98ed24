"""`tallystick verify`: read the whole ledger from its bytes and say whether it is what was written. Exit
0: it is; 1: it is not, and the first bad entry is named; 2: it could not be judged.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated

import typer

from tallystick.cli.answers import AsJson, Config, Data, fail, print_json, settings_of


def verify(
    organization: Annotated[str | None, typer.Option("--organization", "--org", metavar="SLUG", help="Only this one's chain.")] = None,
    as_json: AsJson = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Check the ledger: bytes, chain, signed checkpoints, sums and columns."""
    settings = settings_of(data, config)
    from tallystick.cli import installation
    from tallystick.stores.sql import verify as ledger
    from tallystick.stores.sql.engine import month_text

    if not (settings.data / "ledger.key").exists():
        fail(f"{settings.data} has no ledger key to check signatures with.")
    with installation.opened(settings, make=False) as here, _progress() as progress:
        found = ledger.verify(here.database, here.secrets.ledger_key.public_key, progress, organization)
    if as_json:
        print_json({"ok": None if found.fault else not found.findings, **asdict(found)})
    elif found.fault is None:
        print(f"{found.entries} entries of {found.organizations} organizations, {found.checkpoints} signed checkpoints.")
        if found.pruned:
            months = [month_text(month) for month in found.pruned_months]
            print(f"{found.pruned} of them are pruned ({', '.join(months)}): their rows were dropped, hashes and sealed totals stand.")
        for finding in found.findings:
            where = "" if finding.seq is None else f" entry {finding.seq}"
            print(f"WRONG {finding.organization}{where}: {finding.message} [{finding.check}]")
        print("The ledger is not as it was written." if found.findings
              else "The ledger agrees with itself and with what this installation signed.")
    if found.fault is not None:
        fail(found.fault)
    if found.exit_code:
        raise typer.Exit(found.exit_code)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Shows entries done of all, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verify")
        yield lambda done, total: bar.update(task, completed=done, total=total)
