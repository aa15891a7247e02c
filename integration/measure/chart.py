"""The figures as an SVG: how much each is of what it may be."""

from xml.sax.saxutils import escape

from .rows import Result
from .table import judge, measured

LINE = 24
TOP = 64
NAMES = 270  # where the bars begin
GOAL = 230  # their length when a goal is just reached
LONGEST = 1.6  # goals; what is longer is cut
# Columns behind the bars; those of median and p99 end there.
FIGURE, LIMIT, VERDICT, MEDIAN, P99 = (NAMES + GOAL * LONGEST + offset for offset in (16, 100, 190, 355, 450))
WIDTH = P99 + 16
REACHED, MISSED, STATED, GREY = "#2f7d4f", "#b5482f", "#5b6b7b", "#777777"


def text(x, y, words, color="#1a1a1a", anchor="start", more=""):
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="{color}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def bar(y, share, color):
    length = GOAL * max(min(share, LONGEST), 0.004)
    yield f'<rect x="{NAMES}" y="{y + 4}" width="{length:.1f}" height="{LINE - 8}" fill="{color}"/>'
    if share > LONGEST:
        # A cut through its end: it goes on.
        end = NAMES + length
        points = f"{end - 14:.0f},{y + LINE} {end - 8:.0f},{y} {end - 3:.0f},{y} {end - 9:.0f},{y + LINE}"
        yield f'<polygon points="{points}" fill="#ffffff"/>'
    line = f'x1="{NAMES + GOAL}" y1="{y}" x2="{NAMES + GOAL}" y2="{y + LINE}"'
    yield f'<line {line} stroke="#1a1a1a" stroke-dasharray="3 3"/>'


def lines_of(y, row, outcome):
    base = y + 16
    verdict = judge(row, outcome)
    yield text(NAMES - 10, base, row.what, anchor="end")
    if row.goal:
        yield text(LIMIT, base, str(row.goal).replace("<=", "≤").replace(">=", "≥"))
    if not isinstance(outcome, Result):
        yield text(NAMES + 8, base, verdict.splitlines()[0][:60], GREY)
        return
    color = {"reached": REACHED, "not reached": MISSED}.get(verdict, STATED)
    if row.goal:
        yield from bar(y, row.goal.share(outcome.measured), color)
        yield text(VERDICT, base, verdict, color)
    yield text(FIGURE, base, measured(row, outcome), color, more=' font-weight="bold"')
    yield text(MEDIAN, base, outcome.median, anchor="end")
    yield text(P99, base, outcome.p99, anchor="end")


def svg(rows, outcomes, title, below):
    bottom = TOP + LINE * len(rows)
    height = bottom + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {height}" width="{WIDTH:.0f}" '
        f'height="{height}" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH:.0f}" height="{height}" fill="#ffffff"/>',
        text(16, 26, title, more=' font-size="16" font-weight="bold"'),
        text(NAMES + GOAL, TOP - 10, "the goal", anchor="middle"),
        text(FIGURE, TOP - 10, "measured"),
        text(LIMIT, TOP - 10, "goal"),
        text(MEDIAN, TOP - 10, "median", anchor="end"),
        text(P99, TOP - 10, "p99", anchor="end"),
    ]
    for number, row in enumerate(rows):
        y = TOP + LINE * number
        if number % 2 == 0:
            parts.append(f'<rect x="8" y="{y}" width="{WIDTH - 16:.0f}" height="{LINE}" fill="#f4f5f6"/>')
        parts += lines_of(y, row, outcomes[row.key])
    explanation = "How much each figure is of what it may be: a bar that does not pass the line reaches its goal."
    parts.append(text(16, bottom + 24, explanation, GREY))
    parts.append(text(16, bottom + 44, below, GREY))
    return "\n".join([*parts, "</svg>"]) + "\n"
