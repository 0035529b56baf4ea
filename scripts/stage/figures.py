"""What measurements find: rows with their yardstick and their target, printed and kept as JSON; and all of it as
docs/performance.md."""

import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

TARGET = Path(os.environ["CARGO_TARGET_DIR"])
TOOL = TARGET / "dist" / "examples" / "bench"
FOUND = TARGET / "bench"
DOCS = Path(__file__).resolve().parents[2] / "docs"


def tool(*words):
    """One run of examples/bench; what it found."""
    done = subprocess.run([TOOL, *map(str, words)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


class Echo:
    """The server that does nothing, while it is needed."""

    def __enter__(self):
        self.process = subprocess.Popen([TOOL, "echo"], stdout=subprocess.PIPE, text=True)
        return self.process.stdout.readline().strip()

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def spread(values):
    """A measure of several rounds: median, least, most."""
    values = list(values)
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def exactly(value):
    """A count, or what was measured once."""
    return spread([value])


class Figures:
    """The rows of one measurement."""

    def __init__(self, name, title, how):
        self.name, self.title, self.how, self.rows = name, title, how, []

    def yardstick(self, what, unit, value):
        self.rows.append({"what": what, "unit": unit, "value": value})
        self.say(self.rows[-1])

    def judge(self, what, unit, value, at_least=None, at_most=None, because=""):
        """A figure with its target, which holds for the median."""
        median = value["median"]
        holds = (at_least is None or median >= at_least) and (at_most is None or median <= at_most)
        bound = ("≥", at_least) if at_most is None else ("≤", at_most)
        row = {"what": what, "unit": unit, "value": value, "bound": bound, "because": because, "holds": holds}
        self.rows.append(row)
        self.say(row)

    @staticmethod
    def say(row):
        value, text = row["value"], f"  {row['what']}: "
        text += f"{value['median']:,.4g} {row['unit']} ({value['least']:,.4g} to {value['most']:,.4g})"
        if "bound" in row:
            mark = "ok" if row["holds"] else "MISSED"
            text += f"   {mark}, {row['bound'][0]} {row['bound'][1]:,.4g} {row['because']}"
        print(text, flush=True)

    def keep(self):
        """Writes what was found; how many targets were missed."""
        FOUND.mkdir(parents=True, exist_ok=True)
        when = time.strftime("%Y-%m-%d", time.gmtime())
        text = json.dumps({"title": self.title, "how": self.how, "when": when, "rows": self.rows}, ensure_ascii=False, indent=1)
        (FOUND / f"{self.name}.json").write_text(text)
        judged = [row for row in self.rows if "holds" in row]
        missed = sum(not row["holds"] for row in judged)
        print(f"{len(judged) - missed} passed, {missed} failed", flush=True)
        return missed


def machine():
    """What was measured on, in a few words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release().split('-')[0]}"


def line(row):
    value, unit = row["value"], row["unit"]
    number = lambda at: f"{at:,.0f}" if abs(at) >= 100 else f"{at:,.3g}"
    span = "" if value["least"] == value["most"] else f"{number(value['least'])} – {number(value['most'])}"
    target = mark = ""
    if "bound" in row:
        target = f"{row['bound'][0]} {number(row['bound'][1])}" + (f", {row['because']}" if row["because"] else "")
        mark = "reached" if row["holds"] else "MISSED"
    return f"| {row['what']} | {number(value['median'])} {unit} | {span} | {target} | {mark} |"


def compose():
    """Writes docs/performance.md from what the measurements left."""
    parts = [json.loads(file.read_text()) for file in sorted(FOUND.glob("*.json"))]
    judged = [row for part in parts for row in part["rows"] if "holds" in row]
    missed = sum(not row["holds"] for row in judged)
    text = [
        "# Performance", "",
        "Written by `scripts/bench` from what its measurements found; do not edit.", "",
        f"{len(judged) - missed} of {len(judged)} targets are reached. The program as it is handed out; {machine()}. Where a target is a multiple of "
        "a yardstick, both are of the same run. Medians, with the least and the most of several rounds; rows without a target are "
        "yardsticks. How quickly the page answers is [told apart](performance/page.md).",
    ]
    for part in parts:
        text += ["", f"## {part['title']}", "", f"{part['how']} Measured on {part['when']} (`scripts/bench`).", ""]
        text += ["| | Median | Least – most | Target | |", "|---|--:|--:|---|---|"]
        text += [line(row) for row in part["rows"]]
    (DOCS / "performance.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    compose()
