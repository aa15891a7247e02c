"""The figures on a terminal."""

from .rows import Result


def judge(row, outcome):
    """`outcome` is a row's Result, or why there is none."""
    if not isinstance(outcome, Result):
        return f"not measured: {outcome}"
    if row.goal is None:
        return "stated"
    return "reached" if row.goal.share(outcome.measured) <= 1 and outcome.reached else "not reached"


def measured(row, outcome):
    return row.goal.figure(outcome.measured) if row.goal else f"{outcome.measured:.2f}x"


def lines(rows, outcomes):
    head = ("", "median", "p99", "measured", "goal", "", "")
    cells = [head]
    for row in rows:
        outcome = outcomes[row.key]
        goal = str(row.goal) if row.goal else ""
        if isinstance(outcome, Result):
            figures = (outcome.median, outcome.p99, measured(row, outcome))
            cells.append((row.what, *figures, goal, judge(row, outcome), outcome.beside))
        else:
            # What failed may have said much.
            cells.append((row.what, "", "", "", goal, judge(row, outcome).splitlines()[0], ""))
    # The last two are no columns where a reason stands in the one before.
    widths = [max(len(line[column]) for line in cells) for column in range(5)]
    for what, *figures, verdict, beside in cells:
        numbers = "".join(f"{cell:>{width + 2}}" for cell, width in zip(figures, widths[1:]))
        yield f"{what:{widths[0]}}{numbers}  {verdict:11}  {beside}".rstrip()
