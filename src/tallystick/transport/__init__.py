"""The way out: how a request reaches a provider, or the sandbox that stands in for one."""
