"""Tables of figures as the benchmarks print them."""

from rich.table import Table


def figure_table(title: str, *headings: str) -> Table:
    """A table with names on the left, and a column of figures for each heading."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
