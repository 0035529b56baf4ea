"""What measurements find: rows with their yardstick and their target, printed and kept as JSON."""

import json
import os
import statistics
import subprocess
from pathlib import Path

TARGET = Path(os.environ["CARGO_TARGET_DIR"])
TOOL = TARGET / "release" / "examples" / "bench"
FOUND = TARGET / "bench"


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
        text = json.dumps({"title": self.title, "how": self.how, "rows": self.rows}, ensure_ascii=False, indent=1)
        (FOUND / f"{self.name}.json").write_text(text)
        judged = [row for row in self.rows if "holds" in row]
        missed = sum(not row["holds"] for row in judged)
        print(f"{len(judged) - missed} passed, {missed} failed", flush=True)
        return missed
