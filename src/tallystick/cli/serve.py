"""`tallystick serve`: start the gateway. All it decides is which settings the flags change."""

from __future__ import annotations

from typing import Annotated

import typer

from tallystick.cli.answers import Config, Data, settings_of


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [8000]; 0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Worker processes [1].")] = None,
    role: Annotated[str | None, typer.Option(help="gateway, console or all [all].")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Start the gateway and the API on one port."""
    settings = settings_of(data, config, host=host, port=port, workers=workers, role=role)
    if settings.server.workers > 1:
        from tallystick import workers as several

        code = several.serve(settings)
    else:
        from tallystick import app

        code = app.serve(settings)
    if code:
        raise typer.Exit(code)
