"""Code that calls a provider directly goes through the gateway afterwards, and is otherwise the code that it was. What was not
understood is named and left. That what comes out works is shown in tests/sdk/test_rewritten.py, by running it.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.rewriting import PROCESS
from tallystick.rewriting.rewriting import Language, Rewritten, rewritten
from tallystick.rewriting.sheet import Target

GATEWAY = "http://127.0.0.1:8000"
PLAIN, NAMED = Target(GATEWAY), Target(GATEWAY, {"X-Tallystick-Prompt-Key": "a/b"})
KEY = "sk-proj-" + "A1b2" * 8                 # of the form of a key, and nobody's


def kinds(found: Rewritten) -> dict[str, list[int]]:
    """The lines of each kind of note."""
    told: dict[str, list[int]] = {}
    for note in found.notes:
        told.setdefault(note.kind, []).append(note.line)
    return told


PYTHON = {
    "as it stands in every quick start": (
        "from openai import OpenAI\nclient = OpenAI()  # reads the environment\n",
        'import os\nfrom openai import OpenAI\nclient = OpenAI(\n    base_url="http://127.0.0.1:8000/v1",\n'
        '    api_key=os.environ["TALLYSTICK_KEY"],\n)  # reads the environment\n'),
    "with a key in it, and words around": (
        f'import os\nimport openai as oa\n\nasync def f():\n    return oa.AsyncOpenAI(\n        # ours\n        api_key="{KEY}",   # secret\n'
        "        timeout=3,\n    )\n",
        'import os\nimport openai as oa\n\nasync def f():\n    return oa.AsyncOpenAI(\n        # ours\n        base_url="http://127.0.0.1:8000/v1",\n'
        '        api_key=os.environ["TALLYSTICK_KEY"],   # secret\n        timeout=3,\n    )\n'),
    "from the environment, under another name, on one line": (
        'import os\nfrom anthropic import Anthropic as A\nc = A(api_key=os.getenv("ANTHROPIC_API_KEY", ""), max_retries=0)\n',
        'import os\nfrom anthropic import Anthropic as A\nc = A(\n    base_url="http://127.0.0.1:8000",\n'
        '    api_key=os.environ["TALLYSTICK_KEY"], max_retries=0,\n)\n'),
    "an address of the provider's own": (
        'from openai import OpenAI\nc = OpenAI(base_url="https://api.openai.com/v1", api_key=secret())\n',
        'from openai import OpenAI\nc = OpenAI(base_url="http://127.0.0.1:8000/v1", api_key=secret())\n'),
    "nothing but a comment between the brackets": (
        "from openai import OpenAI\nif x:\n    c = OpenAI(  # later\n    )\n",
        'import os\nfrom openai import OpenAI\nif x:\n    c = OpenAI(  # later\n        base_url="http://127.0.0.1:8000/v1",\n'
        '        api_key=os.environ["TALLYSTICK_KEY"],\n    )\n'),
    "the module before 1.0": (
        f'import openai\nopenai.api_key = "{KEY}"\nprint(openai.ChatCompletion.create(model="gpt-4", messages=m))\n',
        'import os\nimport openai\nopenai.api_base = "http://127.0.0.1:8000/v1"\nopenai.api_key = os.environ["TALLYSTICK_KEY"]\n'
        'print(openai.ChatCompletion.create(model="gpt-4", messages=m))\n'),
    "Azure": (
        'from openai import AzureOpenAI\nc = AzureOpenAI(azure_endpoint="https://me.openai.azure.com", api_version="1")\n',
        'import os\nfrom openai import AzureOpenAI\nc = AzureOpenAI(\n    api_key=os.environ["TALLYSTICK_KEY"],\n'
        '    azure_endpoint="http://127.0.0.1:8000/proxy/azure", api_version="1",\n)\n'),
    "plain HTTP": (
        'import os, requests\nrequests.post("https://api.openai.com/v1/chat/completions", headers={"Authorization": f"Bearer {os.environ[\'K\']}"})\n',
        'import os, requests\nrequests.post("http://127.0.0.1:8000/v1/chat/completions", headers={"Authorization": f"Bearer {os.environ[\'TALLYSTICK_KEY\']}"})\n'),
    "behind a docstring and the future": (
        '"""Says hello."""\nfrom __future__ import annotations\n\nc = OpenAI()\n',
        '"""Says hello."""\nfrom __future__ import annotations\nimport os\n\nc = OpenAI(\n    base_url="http://127.0.0.1:8000/v1",\n'
        '    api_key=os.environ["TALLYSTICK_KEY"],\n)\n'),
}

JAVASCRIPT = {
    "as it stands in every quick start": (
        "import OpenAI from 'openai'\nconst client = new OpenAI() // here\n",
        "import OpenAI from 'openai'\nconst client = new OpenAI({\n  baseURL: 'http://127.0.0.1:8000/v1',\n  apiKey: process.env.TALLYSTICK_KEY,\n}) // here\n"),
    "typed, with a key in it": (
        f'import Anthropic from "@anthropic-ai/sdk";\nconst a: Anthropic = new Anthropic({{\n  apiKey: "{KEY}", // secret\n}});\n',
        'import Anthropic from "@anthropic-ai/sdk";\nconst a: Anthropic = new Anthropic({\n  baseURL: "http://127.0.0.1:8000",\n'
        "  apiKey: process.env.TALLYSTICK_KEY, // secret\n});\n"),
    "required under another name, its options from elsewhere": (
        "const { OpenAI: O } = require('openai');\nmodule.exports = (o) => new O(o);\n",
        "const { OpenAI: O } = require('openai');\nmodule.exports = (o) => new O({\n  ...o,\n  baseURL: 'http://127.0.0.1:8000/v1',\n"
        "  apiKey: process.env.TALLYSTICK_KEY,\n});\n"),
    "without brackets": (
        'const O = require("openai").default\nnew O\n',
        'const O = require("openai").default\nnew O({\n  baseURL: "http://127.0.0.1:8000/v1",\n  apiKey: process.env.TALLYSTICK_KEY,\n})\n'),
    "fetch": (
        "await fetch(`https://api.openai.com/v1/${what}`, { headers: { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` } })\n",
        "await fetch(`http://127.0.0.1:8000/v1/${what}`, { headers: { Authorization: `Bearer ${process.env.TALLYSTICK_KEY}` } })\n"),
    "the package's third version": (
        "const { Configuration } = require('openai');\nconst c = new Configuration({ apiKey: process.env.OPENAI_API_KEY });\n",
        "const { Configuration } = require('openai');\nconst c = new Configuration({\n  basePath: 'http://127.0.0.1:8000/v1',\n"
        "  apiKey: process.env.TALLYSTICK_KEY,\n});\n"),
}

SHELL = {
    "in lines, into a pipe": (
        'curl https://api.openai.com/v1/models \\\n  -H "Authorization: Bearer $OPENAI_API_KEY" | jq . # ours\n',
        'curl http://127.0.0.1:8000/v1/models \\\n  -H "Authorization: Bearer $TALLYSTICK_KEY" | jq . # ours\n'),
    "a key in single quotes": (
        f"curl -s 'https://api.anthropic.com/v1/messages' -H 'x-api-key: {KEY}' -d '{{\"a\": \"https://api.openai.com\"}}'\n",
        "curl -s 'http://127.0.0.1:8000/v1/messages' -H \"x-api-key: $TALLYSTICK_KEY\" -d '{\"a\": \"https://api.openai.com\"}'\n"),
    "no key at all": (
        "curl https://api.openai.com/v1/models\n",
        'curl http://127.0.0.1:8000/v1/models -H "Authorization: Bearer $TALLYSTICK_KEY"\n'),
}
CASES = [(language, name, *pair) for language, cases in (("python", PYTHON), ("javascript", JAVASCRIPT), ("shell", SHELL)) for name, pair in cases.items()]


@pytest.mark.parametrize(("language", "name", "before", "after"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_it_goes_through_the_gateway_and_is_the_same_otherwise(language: Language, name: str, before: str, after: str) -> None:
    found = rewritten(before, PLAIN)
    assert (found.language, found.code) == (language, after)
    assert ("warning" in kinds(found)) == (KEY in before or "azure" in before)
    assert KEY not in found.code
    assert KEY not in json.dumps([note.text for note in found.notes])
    assert "".join(f"{text}\n" for change, text in found.diff if change != "new") == before
    assert "".join(f"{text}\n" for change, text in found.diff if change != "gone") == after
    again = rewritten(after, PLAIN, language)
    assert not again.changed, "what goes through the gateway stays as it is"
    if language == "python":
        ast.parse(after)


def test_what_calls_are_for_is_said_where_clients_are_made() -> None:
    code = 'from openai import OpenAI\na = OpenAI()\nb = OpenAI(default_headers={"x": "y"})\nc = OpenAI(default_headers=mine)\n'
    found = rewritten(code, NAMED)
    assert found.code.count('default_headers={"X-Tallystick-Prompt-Key": "a/b"}') == 1
    assert 'default_headers={"X-Tallystick-Prompt-Key": "a/b", "x": "y"}' in found.code
    assert kinds(found)["unclear"] == [4]
    assert rewritten("import OpenAI from 'openai'\nnew OpenAI({ defaultHeaders: { a: 'b' } })\n", NAMED).code.count("'a/b', a: 'b'") == 1
    assert "\\\n  -H 'X-Tallystick-Prompt-Key: a/b' \\\n" in rewritten(SHELL["in lines, into a pipe"][0], NAMED).code


def test_an_address_of_ones_own_is_kept_with_its_key_and_told() -> None:
    for code in (f'from openai import OpenAI\nc = OpenAI(base_url="https://llm.corp/v1", api_key="{KEY}")\n',
                 f"import OpenAI from 'openai'\nnew OpenAI({{ baseURL: 'https://llm.corp/v1', apiKey: '{KEY}' }})\n",
                 "from openai import OpenAI\nc = OpenAI(base_url=settings.url, api_key=settings.key)\n"):
        found = rewritten(code, NAMED)
        assert not found.changed, found.code
        assert kinds(found) == {"kept": [2]}


@pytest.mark.parametrize("code", [
    "from openai import OpenAI\nc = OpenAI(**options)\n",
    "from openai import OpenAI\nmake = OpenAI\nclass Mine(OpenAI): pass\n",
    "from functools import partial\nfrom openai import OpenAI\nf = partial(OpenAI, timeout=1)\n",
    "from openai import OpenAI\nprint(f'{OpenAI()}')\n",
    "from anthropic import AnthropicBedrock\nc = AnthropicBedrock()\n",
    "print('https://api.openai.com/v1')\n",
    "import OpenAI from 'openai'\nclass Mine extends OpenAI {}\n",
    "import AnthropicBedrock from '@anthropic-ai/bedrock-sdk'\nnew AnthropicBedrock()\n",
    "wget https://api.openai.com/v1/models\n",
    'curl "$BASE/v1" https$x://api.openai.com/v1\n',
])
def test_what_is_not_understood_is_left_and_named(code: str) -> None:
    found = rewritten(code, NAMED)
    assert found.code == code
    assert "unclear" in kinds(found)


@pytest.mark.parametrize("code", [
    '"""\nfrom openai import OpenAI\nclient = OpenAI(api_key="x")\nhttps://api.openai.com/v1\n"""\n',
    "# from openai import OpenAI; client = OpenAI()\nx = 1\n",
    "text = 'new OpenAI({apiKey: \"x\"})'\n",
    "class OpenAI: pass\n",
    "from mine import other\nname = 'sk-learn-is-no-key'\n",
    "const text = `new OpenAI()`; // new OpenAI()\n",
    "echo hello\n",
    "",
    "\n\n",
    "hello, world",
])
def test_strings_and_comments_that_look_like_code_are_none(code: str) -> None:
    found = rewritten(code, NAMED)
    assert (found.code, found.changed) == (code, False)


def test_broken_code_keeps_its_broken_places() -> None:
    code = "import os\nfrom openai import OpenAI\nx = = (\nclient = OpenAI()\n"
    found = rewritten(code, PLAIN, "python")
    assert 3 in kinds(found)["unclear"]
    assert found.code.startswith("import os\nfrom openai import OpenAI\nx = = (\n")


def test_signs_beyond_ascii_and_line_ends_of_other_systems_stay() -> None:
    found = rewritten("from openai import OpenAI\r\ns = 'größe 🎈'; c = OpenAI(timeout=1)\r\n", PLAIN)
    assert "s = 'größe 🎈'; c = OpenAI(base_url=" in found.code or "s = 'größe 🎈'; c = OpenAI(\n" in found.code
    assert found.code.endswith("timeout=1)\r\n") or "timeout=1," in found.code


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["from openai import OpenAI\n", "OpenAI(", ")", "api_key='x'", ",", "\n", "{", "}", "new OpenAI", "curl https://api.openai.com/ ",
                                 "-H 'Authorization: Bearer x' ", "'", '"', "`", "${", "# x\n", "fetch('https://api.openai.com')", "**o", "é", "\t"]), max_size=14))
def test_whatever_is_pasted_has_an_answer_and_is_never_made_worse(pieces: list[str]) -> None:
    code = "".join(pieces)
    found = rewritten(code, NAMED)
    assert "".join(text for change, text in found.diff if change != "new") == "".join(code.splitlines())
    assert found.changed or found.code == code


@pytest.mark.parametrize("code", ["f(" * 20_000, "[" * 25_000 + "]" * 25_000, "`${" * 10_000, "$(" * 20_000, "'" * 49_999, "\n" * 50_000,
                                  "OpenAI()\n" * 5_000])
def test_huge_and_deep_code_ends_in_a_process_of_its_own(code: str) -> None:
    """It answers or is ended; the limits are the process's own."""
    asked = json.dumps({"code": code, "language": None, "gateway": GATEWAY, "headers": {}})
    done = subprocess.run([sys.executable, "-m", PROCESS], input=asked, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 or set(json.loads(done.stdout)) == {"language", "code", "changed", "notes", "diff"}
