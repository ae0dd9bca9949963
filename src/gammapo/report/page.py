"""A page under construction: blocks are added in reading order, then rendered as HTML or Markdown.

The HTML is one file that needs nothing else: styles and charts are inline, there is no script, and the
same blocks always give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from gammapo import __version__
from gammapo.report import blocks, markup, palette, svg
from gammapo.report.blocks import Answer, Block, Cell, Key


class Page:
    """A report. Every string given to it is shown as text, never taken for HTML."""

    def __init__(self, title: str, subtitle: str = ""):
        self.title, self.subtitle = title, subtitle
        self.blocks: list[Block] = []
        self._figures = 0

    def section(self, title: str) -> None:
        """Begin a section; it is listed in the contents at the top of the page."""
        anchor = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        same = sum(isinstance(b, blocks.Section) and b.anchor.startswith(anchor) for b in self.blocks)
        self.blocks.append(blocks.Section(title=title, anchor=f"{anchor}-{same + 1}" if same else anchor))

    def text(self, source: str) -> None:
        """Prose in the little Markdown of `markup`."""
        self.blocks.append(blocks.Text(source=source))

    def finding(self, source: str, *, tone: str = "plain") -> None:
        """The one sentence to take home, set large."""
        self.blocks.append(blocks.Finding(source=source, tone=tone))

    def warning(self, source: str, *, level: str = "warning") -> None:
        self.blocks.append(blocks.Warn(source=source, level=level))

    def table(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        caption: str = "",
        right: Sequence[bool] | None = None,
    ) -> None:
        """A table whose first column heads the rows. A cell is a `Cell`, None (shown as a dash) or anything
        with a string form; `right` says which columns are aligned right (by default those of numbers)."""
        cells = [[blocks.as_cell(value) for value in row] for row in rows]
        if right is None:
            right = [all(_numeric(row[i].text) for row in cells) for i in range(len(columns))]
        table = blocks.Table(columns=tuple(columns), rows=cells, right=tuple(right), caption=caption)
        self.blocks.append(table)

    def chart(
        self,
        chart: alt.TopLevelMixin | Sequence[alt.TopLevelMixin],
        caption: str,
        *,
        description: str = "",
        legend: Sequence[Key] = (),
        wide: bool = False,
    ) -> None:
        """One chart, or several side by side under one caption.

        `description` is read out in place of the drawing (by default the caption); a `wide` chart keeps its
        size on a small screen and is scrolled there.
        """
        charts = list(chart) if isinstance(chart, Sequence) else [chart]
        drawn = []
        for each in charts:
            self._figures += 1
            title = _title(each)
            words = ": ".join(part for part in (title, description or markup.plain(caption)) if part)
            drawn.append(svg.render(each, name=f"f{self._figures}", description=words))
        self.blocks.append(blocks.Figure(svgs=drawn, caption=caption, legend=tuple(legend), wide=wide))

    def samples(
        self,
        prompt: str,
        answers: Mapping[str, str],
        *,
        scores: Mapping[str, str] | None = None,
        parts: Mapping[str, Mapping[str, str]] | None = None,
        swatches: Mapping[str, str] | None = None,
    ) -> None:
        """Several models' answers to one prompt, side by side. All mappings are keyed by model; `scores` and
        the values of `parts` (what the score is made of) are shown as given."""
        found = [
            Answer(
                model=model,
                text=text,
                score=(scores or {}).get(model, ""),
                parts=(parts or {}).get(model, {}),
                swatch=(swatches or {}).get(model, ""),
            )
            for model, text in answers.items()
        ]
        self.blocks.append(blocks.Samples(prompt=prompt, answers=found))

    def code(self, source: str) -> None:
        self.blocks.append(blocks.Code(source=source.strip("\n")))

    def facts(self, entries: Mapping[str, Any]) -> None:
        self.blocks.append(blocks.Facts(entries={name: str(value) for name, value in entries.items()}))

    def render(self) -> str:
        """The whole page as HTML."""
        return _template().render(
            page=self,
            sections=[block for block in self.blocks if isinstance(block, blocks.Section)],
            slots=palette.SLOTS,
            css=palette.CSS,
            version=__version__,
        )

    def markdown(self) -> str:
        """The same without the drawings, which are named by their captions."""
        head = [f"# {markup.markdown_safe(self.title)}"]
        head += [markup.markdown_safe(self.subtitle)] if self.subtitle else []
        return "\n\n".join([*head, *(block.markdown() for block in self.blocks)]) + "\n"


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("gammapo.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


def _numeric(text: str) -> bool:
    return bool(re.match(r"[+−-]?\d|[–—]$|$", text))


def _title(chart: alt.TopLevelMixin) -> str:
    title = getattr(chart, "title", None)
    if isinstance(title, str):
        return title
    text = getattr(title, "text", None)
    return text if isinstance(text, str) else ""


__all__ = ["Cell", "Key", "Page"]
