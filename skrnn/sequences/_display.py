"""A table of sequences for notebooks."""

from html import escape

N_ROWS, N_STEPS, N_CHANNELS = 5, 3, 4


def html_table(sequences, title):
    """Return the first sequences as an HTML table: number, steps, first values."""
    rows = "".join(
        f"<tr><th>{i}</th><td>{len(steps)}</td><td>{escape(_first_values(steps))}</td></tr>"
        for i, steps in enumerate(sequences[:N_ROWS])
    )
    if len(sequences) > N_ROWS:
        rows += f"<tr><th>…</th><td></td><td>{len(sequences) - N_ROWS} more</td></tr>"
    return (
        f"<table><caption>{escape(title)}</caption><thead><tr><th></th><th>steps</th><th>first values</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _first_values(steps):
    shown = [_step(step) for step in steps[:N_STEPS]]
    return ", ".join(shown + ["…"] * (len(steps) > N_STEPS))


def _step(step):
    cells = [cell if isinstance(cell, str) else f"{cell:.4g}" for cell in step[:N_CHANNELS].tolist()]
    cells += ["…"] * (len(step) > N_CHANNELS)
    return cells[0] if len(step) == 1 else f"[{', '.join(cells)}]"
