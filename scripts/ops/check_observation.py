"""The alert rules and the dashboard: every expression parses, names only metrics and labels that
docs/metrics.md describes (which a test compares with a running service), and every alert has its section
in the runbook. `promtool`, in PROMTOOL, checks and tests the rules."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import promql_parser
import yaml

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = ROOT / "deploy/grafana/tribelink.json"

passed, failed = 0, []


def check(holds, what):
    global passed
    if holds:
        passed += 1
    else:
        failed.append(what)


def documented():
    """Metric → labels, histograms with the names that they are exported under."""
    known = {}
    for row in (ROOT / "docs/metrics.md").read_text().splitlines():
        if not row.startswith("| `"):
            continue
        name, kind, labels = [cell.strip() for cell in row.strip("|").split(" | ")][:3]
        name, labels = name.strip("`"), set(re.findall(r"`(\w+)`", labels))
        if kind == "histogram":
            for ending in ("_bucket", "_sum", "_count"):
                known[name + ending] = labels | {"le"}
        else:
            known[name] = labels
    return known


KNOWN = documented()
# What Prometheus itself adds to every series.
ADDED = {"instance", "job"}


def names_and_labels(expression):
    """Metrics with the labels of their matchers, and the labels of groupings, by the parser's own print."""
    shown = promql_parser.parse(expression).prettify()
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', shown)
    groupings = set()
    for group in re.findall(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)", bare):
        groupings |= {label.strip() for label in group.split(",") if label.strip()}
    found = []
    for name, matchers in re.findall(r"\b((?:tribelink|process)_\w+)\s*(?:\{([^}]*)\})?", bare):
        labels = {re.split(r"[=!~]", matcher)[0].strip() for matcher in matchers.split(",") if matcher.strip()}
        found.append((name, labels))
    return found, groupings


def check_expression(where, expression):
    expression = expression.replace("$__rate_interval", "5m").replace("$environment", ".*")
    try:
        found, groupings = names_and_labels(expression)
    except Exception as error:  # the parser's own errors are plain exceptions
        check(False, f"{where}: {error}")
        return set()
    check(bool(found), f"{where} names no metric")
    allowed = set(ADDED)
    for name, labels in found:
        check(name in KNOWN, f"{where} names {name}, which docs/metrics.md does not describe")
        extra = labels - KNOWN.get(name, set()) - ADDED
        check(not extra, f"{where}: {name} has no label {extra}")
        allowed |= KNOWN.get(name, set())
    check(groupings <= allowed, f"{where} groups by {groupings - allowed}, which none of its metrics has")
    return {name for name, _ in found}


def main():
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    used = set()
    for rule in rules:
        used |= check_expression(rule["alert"], rule["expr"])
        check(rule["labels"]["severity"] in ("info", "warning", "critical"), f"{rule['alert']}: severity")
        check("summary" in rule["annotations"], f"{rule['alert']} has no summary")
    alerts = [rule["alert"] for rule in rules]
    sections = re.findall(r"^### (Tribelink\w+)$", (ROOT / "docs/runbook.md").read_text(), re.M)
    check(sorted(alerts) == sorted(sections), f"alerts without a section or the reverse: {set(alerts) ^ set(sections)}")

    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    check(len(ids) == len(set(ids)), "two panels share an id")
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            used |= check_expression(f"panel {panel['title']!r}", target["expr"])
            labels = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            _, groupings = names_and_labels(
                target["expr"].replace("$__rate_interval", "5m").replace("$environment", ".*")
            )
            check(labels <= groupings | ADDED, f"panel {panel['title']!r}: the legend names {labels - groupings}")
    for variable in dashboard["templating"]["list"]:
        for name in re.findall(r"tribelink_\w+", str(variable.get("query"))):
            check(name in KNOWN, f"variable {variable['name']} names {name}")
    bases = {re.sub(r"_(bucket|sum|count)$", "", name) if name not in KNOWN or "le" in KNOWN[name] else name for name in used}
    wanted = {re.sub(r"_(bucket|sum|count)$", "", name) if "le" in labels else name for name, labels in KNOWN.items()}
    check(bases == wanted, f"neither an alert nor a panel shows {wanted - bases}")

    for arguments in (["check", "rules", RULES], ["test", "rules", RULES.with_name("alerts_test.yaml")]):
        ran = subprocess.run([os.environ["PROMTOOL"], *arguments], capture_output=True, text=True)
        check(ran.returncode == 0, f"promtool {arguments[0]}: {ran.stdout}{ran.stderr}")
    tested = (RULES.with_name("alerts_test.yaml")).read_text()
    for alert in alerts:
        check(alert in tested, f"{alert} is not tested")

    for what in failed:
        print(f"FAIL  {what}")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(bool(failed))


main()
