"""LiteLLM and LangChain as clients, run by the interpreter of their own environment (`.check/clients`): a
JSON line in, `{"call": "completion" | "acompletion" | "invoke" | "stream" | "ainvoke" | "astream", …}`, a
JSON line out, what the application saw. One process for all of a module's calls: importing them takes
seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from functools import reduce
from operator import add
from typing import Any


def litellm_call(loop: asyncio.Runner, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    import litellm

    litellm.suppress_debug_info = True           # its advice after an error goes to standard output
    if call == "acompletion":
        reply = loop.run(awaited(litellm.acompletion(**arguments)))
    else:
        reply = litellm.completion(**arguments)
    whole = litellm.stream_chunk_builder(list(reply)) if arguments.get("stream") else reply
    return {"model": whole.model, "text": whole.choices[0].message.content,
            "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens]}


def langchain_call(loop: asyncio.Runner, call: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from langchain_anthropic import ChatAnthropic
    from langchain_openai import ChatOpenAI

    model = {"openai": ChatOpenAI, "anthropic": ChatAnthropic}[arguments.pop("provider")](**arguments)
    if call == "astream":
        reply = reduce(add, loop.run(gathered(model.astream("Say hello"))))
    elif call == "ainvoke":
        reply = loop.run(model.ainvoke("Say hello"))
    else:
        reply = model.invoke("Say hello") if call == "invoke" else reduce(add, model.stream("Say hello"))
    usage = reply.usage_metadata
    return {"model": reply.response_metadata["model_name"], "text": reply.text,
            "usage": [usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]]}


async def awaited(call: Any) -> Any:
    """The reply; a stream as the list of its chunks."""
    reply = await call
    return await gathered(reply) if hasattr(reply, "__aiter__") else reply


async def gathered(chunks: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in chunks]


def serve(lines: Iterable[str]) -> None:
    with asyncio.Runner() as loop:               # one loop for all: LangChain keeps its connections for the next model
        for line in lines:
            arguments = json.loads(line)
            call = arguments.pop("call")
            family = litellm_call if "completion" in call else langchain_call
            try:
                seen = family(loop, call, arguments)
            except Exception as error:  # noqa: BLE001  # whatever it is, the test wants to see it
                names = [kind.__name__ for kind in type(error).__mro__]
                seen = {"error": names[0], "kinds": names, "status": getattr(error, "status_code", None), "text": str(error)}
            print(json.dumps(seen), flush=True)


serve(sys.stdin)
