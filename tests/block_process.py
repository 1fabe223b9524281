"""Runs blocks of Python of one page, one after the other, in one namespace; for `blocks.Reader`.

Each line of standard input is a block as JSON; each line of standard output is null, or the
traceback of its failure. What blocks print goes to standard error. They may await at their top.
"""

import ast
import asyncio
import inspect
import json
import os
import sys
import traceback
import warnings


def run(source: str, line: int, namespace: dict[str, object]) -> str | None:
    """Run one block; its traceback, or None."""
    try:
        with warnings.catch_warnings():
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code = compile("\n" * line + source, "page.md", "exec", flags=flags)
            result = eval(code, namespace)
            if inspect.isawaitable(result):
                asyncio.run(_awaited(result))
    except BaseException:
        return traceback.format_exc()
    return None


async def _awaited(result: object) -> None:
    await result  # type: ignore[misc]


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, "")
    namespace: dict[str, object] = {"__name__": "page"}
    for text in sys.stdin:
        block = json.loads(text)
        failure = run(block["source"], block["line"], namespace)
        sys.stdout.flush()
        answers.write(json.dumps(failure) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
