"""What LiteLLM's proxy booked of each call, by its own callback interface, one JSON document a line.

Loaded by the proxy inside its own environment (`litellm_settings.callbacks`), so it imports nothing of
ours. The figures are those of its `standard_logging_object`, from which its spend records are made.
"""

import json
import os
from pathlib import Path

from litellm.integrations.custom_logger import CustomLogger


class Records(CustomLogger):
    async def async_log_success_event(self, kwargs, response_obj, start_time, end_time):
        self._write(kwargs, "success")

    async def async_log_failure_event(self, kwargs, response_obj, start_time, end_time):
        self._write(kwargs, "failure")

    def _write(self, kwargs, outcome):
        booked = kwargs.get("standard_logging_object") or {}
        line = {
            "call_id": kwargs.get("litellm_call_id"), "outcome": outcome, "input": booked.get("prompt_tokens"),
            "output": booked.get("completion_tokens"), "cost": booked.get("response_cost"),
            "usage": (booked.get("metadata") or {}).get("usage_object"), "model": booked.get("model"),
            "why": booked.get("error_str") or (booked.get("response_cost_failure_debug_info") or {}).get("error_str"),
        }
        with Path(os.environ["BENCH_RECORDS"]).open("a") as file:
            file.write(json.dumps(line, default=str) + "\n")


records = Records()
