"""The blocks of the documentation are found, and each runs or says why it does not."""

from __future__ import annotations

import re
import sys

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from blocks import DATA, MARKED, REPO, RUN, Block, blocks, commands, pages

PAGE = """\
# A page

```console
$ emotone predict clip.wav \\
    --top 3
 File   Emotion
$ emotone models list
```

=== "one"

    ```python
    if True:
        x = 1
    ```

<!-- setup: python
y = 2
-->
<!-- not run: needs a microphone -->
```console
$ emotone listen
```

Text, <!-- not run: of another block --> text.

```json
{}
```
"""
MOST_NOT_RUN = 40
"""Raise it only for what no machine can do."""


def test_blocks_are_found_in_their_order():
    console, indented, hidden, marked, data = blocks(PAGE)
    assert (console.language, console.line, console.runs) == ("console", 3, True)
    assert indented.source == "if True:\n    x = 1\n"
    assert hidden == Block("python", "y = 2\n", 17, hidden=True)
    assert (marked.reason, marked.runs) == ("needs a microphone", False)
    assert (data.language, data.reason) == ("json", None)


def test_commands_are_told_from_what_they_print():
    first, second = commands(blocks(PAGE)[0].source)
    assert first == "emotone predict clip.wav \\\n    --top 3"
    assert second == "emotone models list"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPO)))
def test_every_block_is_of_a_known_language_and_runs_or_says_why(page):
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page.relative_to(REPO)}:{block.line}"
        assert block.language in (*RUN, *MARKED, *DATA), f"{where}: {block.language}"
        if block.language in MARKED:
            assert block.reason, f"{where}: say in a comment where this is tested"
        if block.language == "console" and block.runs and not block.hidden:
            assert commands(block.source), f"{where}: no command in it"
            assert "pip install" not in block.source, f"{where}: a test installs nothing"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(REPO)))
def test_files_and_extras_that_blocks_name_are_there(page):
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for block in blocks(page.read_text(encoding="utf-8")):
        for name in re.findall(r"(?:tests|examples)/[\w/.]+\.\w+", block.reason or ""):
            assert (REPO / name).is_file(), f"{page.name}:{block.line}: {name}"
        for extras in re.findall(r"(?:\.|emotone)\[([\w,]+)\]", block.source):
            assert set(extras.split(",")) <= set(project["optional-dependencies"]), extras


def test_few_blocks_are_not_run(capsys):
    told = [
        (f"{page.relative_to(REPO)}:{block.line}", block)
        for page in pages()
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.language in (*RUN, *MARKED) and not block.hidden
    ]
    left = [(where, block.reason) for where, block in told if block.reason]
    with capsys.disabled():
        print(f"\n{len(told) - len(left)} of {len(told)} blocks of code run; not run:")
        for where, reason in left:
            print(f"  {where}: {reason}")
    assert len(left) <= MOST_NOT_RUN
    assert len(told) - len(left) > 2 * len(left)
