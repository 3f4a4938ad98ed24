"""The largest modules and functions of src/, so that a review can ask which second idea moved in.

Guides, not gates (house.md 2.6): a module of 450 lines, a function of 60 lines and 6 parameters.
"""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "tallystick"
SHOWN = 12
MODULE_LINES, FUNCTION_LINES, PARAMETERS = 450, 60, 6


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many a caller may give, `self` aside."""
    args = function.args
    names = [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return len([name for name in names if name not in {"self", "cls"}])


def main() -> None:
    modules: list[tuple[int, str]] = []
    functions: list[tuple[int, int, str]] = []
    for path in sorted(SOURCE.rglob("*.py")):
        text, name = path.read_text(encoding="utf-8"), str(path.relative_to(SOURCE))
        modules.append((text.count("\n"), name))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                functions.append((length, parameters(node), f"{name}:{node.lineno} {node.name}"))
    print(f"{len(modules)} modules, {sum(lines for lines, _ in modules)} lines")
    print(f"\nLongest modules (guide {MODULE_LINES})")
    for lines, name in sorted(modules, reverse=True)[:SHOWN]:
        print(f"{'!' if lines > MODULE_LINES else ' '} {lines:5d}  {name}")
    print(f"\nLongest functions (guide {FUNCTION_LINES})")
    for lines, _, name in sorted(functions, reverse=True)[:SHOWN]:
        print(f"{'!' if lines > FUNCTION_LINES else ' '} {lines:5d}  {name}")
    print(f"\nMost parameters (guide {PARAMETERS})")
    for _, count, name in sorted(functions, key=lambda f: -f[1])[:SHOWN]:
        print(f"{'!' if count > PARAMETERS else ' '} {count:5d}  {name}")


if __name__ == "__main__":
    main()
