"""What becomes of LiteLLM's settings, name by name: tables, so that the report and the manual can walk through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Verdict = Literal["taken", "differently", "not taken"]

PROVIDERS: Final[Mapping[str, str]] = {
    "openai": "openai", "azure": "azure", "anthropic": "anthropic", "gemini": "google", "vertex_ai": "vertex", "bedrock": "bedrock",
    "mistral": "mistral", "groq": "groq", "cohere": "cohere", "cohere_chat": "cohere", "xai": "xai", "deepinfra": "deepinfra",
    "novita": "novita", "fireworks_ai": "fireworks", "perplexity": "perplexity", "cerebras": "cerebras", "deepseek": "deepseek",
    "nebius": "nebius", "together_ai": "together", "huggingface": "huggingface", "replicate": "replicate", "ollama": "ollama",
    "ollama_chat": "ollama", "openrouter": "openrouter", "meta_llama": "meta", "text-completion-openai": "openai",
}
"""LiteLLM's prefix of a model → our provider."""

UNKNOWN: Final = "This import does not know it."
_CALLERS: Final = "Calls are passed on byte for byte: what callers send is what the provider gets."
_OURS: Final = "The gateway does it otherwise, without a setting."
_LATER: Final = "Models are not routed or mixed here yet; a `failover` policy goes on with another stored credential."

DEPLOYMENT: Final[Mapping[str, tuple[Verdict, str]]] = {
    "api_version": ("not taken", "Callers send it, as Azure's own SDK does."),
    "timeout": ("not taken", "Callers choose their own time-outs; the gateway's are in [gateway]."),
    "stream_timeout": ("not taken", "Callers choose their own time-outs; the gateway's are in [gateway]."),
    "max_retries": ("not taken", "The gateway tries once; SDKs retry by themselves, and each try is a call in the books."),
    "drop_params": ("not taken", _CALLERS),
    "aws_region_name": ("differently", "The region stands in the path: /proxy/bedrock/REGION/…"),
    "aws_access_key_id": ("not taken", "`tallystick credentials set bedrock` takes AWS keys sealed (docs: clouds)."),
    "aws_secret_access_key": ("not taken", "`tallystick credentials set bedrock` takes AWS keys sealed (docs: clouds)."),
    "vertex_project": ("differently", "It stands in the path, as Google's own SDK writes it."),
    "vertex_location": ("differently", "It stands in the path, as Google's own SDK writes it."),
    "vertex_credentials": ("not taken", "Not copied; docs/clouds.md says how a credential of Google's comes here."),
    "organization": ("not taken", "It goes with the provider's key."),
    "weight": ("not taken", _LATER), "order": ("not taken", _LATER),
    "max_parallel_requests": ("not taken", "A `rates` policy with `concurrent` does it."),
}

SETTINGS: Final[Mapping[str, tuple[Verdict, str]]] = {
    "drop_params": ("not taken", _CALLERS), "modify_params": ("not taken", _CALLERS), "set_verbose": ("not taken", _OURS),
    "num_retries": ("not taken", "The gateway tries once; SDKs retry by themselves."),
    "request_timeout": ("not taken", "Callers choose their own time-outs; the gateway's are in [gateway]."),
    "fallbacks": ("not taken", _LATER), "context_window_fallbacks": ("not taken", _LATER), "default_fallbacks": ("not taken", _LATER),
    "cache": ("not taken", "Replies are not cached."), "cache_params": ("not taken", "Replies are not cached."),
    "success_callback": ("not taken", "The ledger has every call; `tallystick export` and the API give it out."),
    "failure_callback": ("not taken", "Refusals and failures are in the ledger, and alerts tell of them."),
    "callbacks": ("not taken", "The ledger has every call; `tallystick export` and the API give it out."),
    "json_logs": ("differently", "Logs are JSON where standard error is no terminal."),
    "turn_off_message_logging": ("differently", "Contents are never stored."),
    "redact_user_api_key_info": ("differently", "Keys are kept as hashes."),
    "default_internal_user_params": ("not taken", "A budget on `user:*` and roles do it: `tallystick members`."),
    "default_team_settings": ("not taken", "Budgets and policies on the team do it."),
    "guardrails": ("not taken", "Contents are not looked into."),
}

ROUTER: Final[Mapping[str, tuple[Verdict, str]]] = {
    **dict.fromkeys((
        "routing_strategy", "routing_strategy_args", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks",
        "model_group_alias", "num_retries", "retry_policy", "allowed_fails", "allowed_fails_policy", "cooldown_time",
        "enable_pre_call_checks", "timeout", "model_group_retry_policy", "enable_tag_filtering"), ("not taken", _LATER)),
    **dict.fromkeys(("redis_host", "redis_port", "redis_password", "redis_url"),
                    ("not taken", "No Redis is needed: instances share budgets and rates by the database.")),
}

GENERAL: Final[Mapping[str, tuple[Verdict, str]]] = {
    "master_key": ("not taken", "There is no master key: people sign in, and programs have personal access tokens."),
    "database_url": ("not taken", "The gateway keeps its own: SQLite, or PostgreSQL by [database] url."),
    "database_connection_pool_limit": ("not taken", _OURS), "store_model_in_db": ("not taken", _OURS),
    "alerting": ("differently", "`tallystick channels add` says where alerts go: Slack, Teams, mail, webhooks …"),
    "alerting_threshold": ("not taken", "Alerts tell of money and failures, not of slow calls."),
    "alert_to_webhook_url": ("differently", "`tallystick channels add`, one for each."),
    "allow_requests_on_db_unavailable": ("differently", "Leases last on: budgets.md says how long."),
    "proxy_batch_write_at": ("not taken", "Every call is journaled before it is made."),
    "disable_spend_logs": ("not taken", "The ledger is what the gateway is for."),
    "global_max_parallel_requests": ("not taken", "A `rates` policy on org with `concurrent` does it."),
    "max_parallel_requests": ("not taken", "A `rates` policy on key:* with `concurrent` does it."),
    "enforce_user_param": ("not taken", "A `required_dimensions` policy with require = [\"user\"] does it."),
    "enforced_params": ("not taken", "A `required_dimensions` policy does it."),
    "allowed_ips": ("not taken", "An `addresses` policy does it."),
    "pass_through_endpoints": ("not taken", "/proxy/PROVIDER/… is one for each provider."),
    "enable_jwt_auth": ("not taken", "Not there yet."), "custom_auth": ("not taken", "No code of others runs on the way of a call."),
    "ui_access_mode": ("differently", "Roles say who sees what: `tallystick members`."), "background_health_checks": ("not taken", _OURS),
}

SOURCES: Final[Mapping[str, str]] = {
    "include": "Files that it includes are not followed: import each of them.",
    "guardrails": "Contents are not looked into.", "mcp_servers": "MCP servers are not what this gateway stands before.",
    "vector_store_registry": "Vector stores are not what this gateway stands before.",
    "prompts": "Prompts are named by calls: X-Tallystick-Prompt-Key.",
    "credential_list": "Name each variable in [providers.ID.credentials.NAME], or seal it: `tallystick credentials set`.",
}
"""Sections that are none of ours."""
