"""Code that calls OpenAI or Anthropic directly, written anew so that it goes through the gateway: the Prompt Builder's
import. The code is parsed (tree-sitter), and what is understood is changed where it stands; everything else, comments
and blanks included, stays as it was, byte for byte. What was not understood is named. Nothing is ever run.

`python -m tallystick.rewriting` does it in a process of its own, with little memory and little time: what somebody pastes
never meets the gateway's own (control/code_import.py).
"""

from typing import Final

PROCESS: Final = __name__
"""The module to run."""
