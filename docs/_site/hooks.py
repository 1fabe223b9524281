"""What MkDocs does beside turning Markdown into pages: it writes the reference from the code.

The page of commands comes from the Typer app and the pages of Python from a list of modules, each
time that the site is built, so that neither can be out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

import command_page
import emotion_table
import module_pages
import setting_table

_PLACE = "reference/python/"
"""What stands for the pages of Python in the navigation of mkdocs.yml."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of Python where the navigation names their folder."""
    nav: list[Any] = config.nav or []
    for section in nav:
        for entries in section.values() if isinstance(section, dict) else ():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and entry.get("Python") == _PLACE:
                    entry["Python"] = module_pages.navigation(_PLACE)
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the pages that are made from the code."""
    from mkdocs.structure.files import File

    pages = {"reference/commands.md": command_page.page(), **module_pages.pages(_PLACE)}
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Put tables that are made from the code where a page has their name in a comment."""
    tables = {
        "reference/index.md": ("<!-- modules -->", module_pages.table),
        "reference/configuration.md": ("<!-- settings -->", setting_table.table),
        "reference/words.md": ("<!-- emotions -->", emotion_table.table),
    }
    if page.file.src_uri not in tables:
        return markdown
    place, table = tables[page.file.src_uri]
    if place not in markdown:
        raise ValueError(f"{page.file.src_uri} has no place {place}")
    return markdown.replace(place, table())
