"""A table in Markdown, as GitHub and Hugging Face read it."""

from edgefashion.report.grids import Grid, Row

# What Markdown or the HTML inside it would take for markup.
_MARKUP = frozenset("\\`*_[]<>#|~&$")


def grid_markdown(grid: Grid) -> str:
    """The grid's rows and, as a list below them, its notes; ends with one line break."""
    rules = ["---" if index in grid.words else "---:" for index in range(len(grid.columns))]
    lines = [_line([escape(header) for header in grid.columns]), _line(rules), *map(_row, grid.rows)]
    notes = "".join(f"- {escape(note)}\n" for note in grid.notes)
    return "\n".join(lines) + "\n" + (f"\n{notes}" if notes else "")


def escape(text: str) -> str:
    """`text` so that it reaches the reader as it is."""
    return "".join(f"\\{character}" if character in _MARKUP else character for character in text)


def _row(row: Row) -> str:
    cells = [escape(cell) for cell in row.cells]
    return _line([f"**{cell}**" if cell else "" for cell in cells] if row.tone == "strong" else cells)


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
