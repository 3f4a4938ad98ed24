# `make` lists what it can do: every line `target: … ## what for`.
.DEFAULT_GOAL := help
.PHONY: help serve console check lint reference house lock

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

serve: ## Install what is missing and start the gateway
	@./serve

console: ## Build the console (src/tallystick/console/ui) from web/
	@lock=runtime; . scripts/venv.sh; make_console

check: ## Install what the tests need and run every check
	@./check

lint: ## The checks that need no test run: ruff, mypy, import-linter, and the console's own
	@.venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports && PATH="$$PWD/.venv/bin:$$PATH" npm --prefix web run --silent check

reference: ## Write docs/reference from the code's own tables
	@.venv/bin/python scripts/build_reference.py

house: ## The largest modules and functions (guides: 450 and 60 lines)
	@python3 scripts/house.py

LOCK = .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-build --no-emit-index-url --no-emit-find-links --no-annotate --no-header

lock: ## Renew requirements/*.txt: versions and hashes, no addresses (UPGRADE=--upgrade moves versions)
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
	@$(LOCK) $(UPGRADE) pyproject.toml requirements/build.in --extra test -o requirements/test.txt
	@$(LOCK) $(UPGRADE) requirements/clients.in -o requirements/clients.txt
	@$(LOCK) pyproject.toml requirements/build.in -c requirements/test.txt -o requirements/runtime.txt
