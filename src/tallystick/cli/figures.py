"""Amounts in tables for people; documents for programs have them to the nano."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def figure(document: Mapping[str, Any], name: str) -> str:
    """Money with two places, or as many as it takes to show that it is not nothing; counts as they are."""
    if f"{name}_usd" not in document:
        return str(next((document[f"{name}_{unit}"] for unit in ("tokens", "calls") if f"{name}_{unit}" in document), ""))
    text: str = document[f"{name}_usd"]
    cents = f"{Decimal(text):,.2f}"
    return cents if cents.strip("-0.,") or not text.strip("-0.") else text
