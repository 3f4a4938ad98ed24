"""LiteLLM as a client, run by the interpreter of its own environment (`.check/litellm`): one JSON line
in, `{"call": "completion" | "acompletion", …its arguments}`, one JSON line out, what the application
saw. One process for all of a module's calls, because importing it takes seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import litellm

litellm.suppress_debug_info = True           # its advice after an error goes to standard output

async def asked(arguments: dict[str, Any]) -> Any:
    """The reply of the asynchronous call; a stream as the list of its chunks."""
    reply = await litellm.acompletion(**arguments)
    return [chunk async for chunk in reply] if arguments.get("stream") else reply


def seen(call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        if call == "acompletion":
            reply = asyncio.run(asked(arguments))
        else:
            reply = litellm.completion(**arguments)
        chunks = list(reply) if arguments.get("stream") else []
        whole = litellm.stream_chunk_builder(chunks) if chunks else reply
    except Exception as error:  # noqa: BLE001  # whatever it is, the test wants to see it
        return {"error": type(error).__name__, "module": type(error).__module__, "status": getattr(error, "status_code", None), "text": str(error)}
    return {"model": whole.model, "text": whole.choices[0].message.content, "chunks": len(chunks),
            "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens]}


for line in sys.stdin:
    asked_for = json.loads(line)
    print(json.dumps(seen(asked_for.pop("call"), asked_for)), flush=True)
