"""An HTML page taken apart."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "input", "link", "path", "use", "rect"}
RAW = ("style", "script")


class Page(HTMLParser):
    """The page as a list of tags, its text, and its styles and scripts; tags have to nest.

    Attributes
    ----------
    tags
        Name and attributes of each, in order.
    raw
        Name, attributes and content of each style and script.
    words
        What a person reads.
    """

    def __init__(self, html):
        super().__init__()
        self.tags, self.raw, self.open, self.text = [], [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in {tag}"
        if tag in RAW:
            self.raw.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in RAW:
            self.raw[-1][2] += data
        else:
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())
