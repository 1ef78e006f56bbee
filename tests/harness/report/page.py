"""Reads a preview as a browser would, far enough to say what stands where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br", "link", "img", "input", "hr", "base"}
# Elements of a style sheet or diagram that say nothing to a reader.
SILENT = {"style", "title"}


@dataclass
class Element:
    """One element, with its text and what is inside it."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    def all(self, name: str = "", *, of_class: str = "") -> Iterator[Element]:
        """Yield every element below of this name and class, in the order of the page."""
        for child in self.children:
            if isinstance(child, Element):
                classes = child.attributes.get("class", "").split()
                if name in ("", child.name) and of_class in ("", *classes):
                    yield child
                yield from child.all(name, of_class=of_class)

    def first(self, name: str = "", *, of_class: str = "") -> Element:
        """Return the first such element."""
        return next(self.all(name, of_class=of_class))

    @property
    def text(self) -> str:
        """What a reader sees, blanks as one."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child.name not in SILENT:
                yield from child._texts()
                yield " "


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].name == tag, f"</{tag}> closes <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)

    def done(self) -> Element:
        assert self._open == [self.root], f"<{self._open[-1].name}> is never closed"
        return self.root


def read_page(text: str) -> Element:
    """Return the page as a tree; every element is closed where it should be."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    return builder.done()


def section(page: Element, heading: str) -> Element:
    """Return the section with this heading's id."""
    return next(
        one for one in page.all("section") if one.attributes.get("aria-labelledby") == heading
    )


def rows(table: Element) -> list[dict[str, str]]:
    """Return the body of a table: what each row says under each heading."""
    names = [cell.text for cell in table.first("thead").all("th")]
    return [
        dict(
            zip(
                names,
                [
                    cell.text
                    for cell in row.children
                    if isinstance(cell, Element) and cell.name in ("th", "td")
                ],
                strict=True,
            )
        )
        for body in table.all("tbody")
        for row in body.all("tr")
    ]
