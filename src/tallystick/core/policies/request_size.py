"""How large a billable call may be: tokens in and out, alternatives, media, tools, bytes. Input tokens are guessed from
the body's size, as for a reply without usage. A limit on the output must be stated where the dialect has one, since a
provider's own default may be any; `clamp` sets it instead of refusing, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tallystick.core.estimate import estimated_input
from tallystick.core.policies.parameters import Parameters
from tallystick.core.policies.policy import Case, Edit, Verdict, refused

LIMITS: Final = ("input_tokens_max", "output_tokens_max", "body_bytes_max", "n_max", "media_max", "tools_max")


@dataclass(frozen=True, slots=True)
class RequestSize:
    """The largest of each; None: any."""

    input_tokens_max: int | None = None
    output_tokens_max: int | None = None
    body_bytes_max: int | None = None
    n_max: int | None = None
    media_max: int | None = None
    tools_max: int | None = None
    clamp: bool = field(default=False, kw_only=True)

    def judge(self, case: Case) -> Verdict | None:
        if not case.billable:
            return None
        call, facts = case.call, case.call.facts
        asked = (
            ("body_bytes", call.body_bytes, self.body_bytes_max), ("n", facts.n, self.n_max), ("media", facts.media, self.media_max),
            ("tools", facts.tools + facts.server_tools, self.tools_max),
            ("input_tokens", self._input_tokens(case), self.input_tokens_max),
        )
        for name, value, most in asked:
            if most is not None and value > most:
                said = {name: str(value), f"{name}_max": str(most)}
                return refused(f"This call's {name} is {value}, and at most {most} may be asked.", **said)
        return self._output(case)

    def _input_tokens(self, case: Case) -> int:
        if self.input_tokens_max is None:
            return 0
        return estimated_input(case.call.facts, case.call.body_bytes, case.call.provider)

    def _output(self, case: Case) -> Verdict | None:
        most, stated, spelling = self.output_tokens_max, case.call.facts.output_limit, case.spelling
        if most is None or (stated is not None and stated <= most) or (stated is None and spelling is None):
            return None
        if self.clamp and spelling is not None and most >= spelling.least:
            return Edit(output_limit=most)
        said = "states no output limit" if stated is None else f"asks for up to {stated} output tokens"
        return refused(f"This call {said}; state at most {most}.", output_tokens_max=str(most))


def read(parameters: Parameters) -> RequestSize:
    limits = {name: parameters.number(name) for name in LIMITS}
    rule = RequestSize(*limits.values(), clamp=parameters.flag("clamp"))
    if all(limit is None for limit in limits.values()):
        raise parameters.wrong(f"give at least one of {', '.join(LIMITS)}.")
    if rule.clamp and not rule.output_tokens_max:
        raise parameters.wrong("clamp sets output_tokens_max; give one from 1.")
    return rule
