"""The systemd units: `systemd-analyze` reads them without a complaint and finds them well confined, and
every variable that they set is a configuration key."""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy/systemd").glob("tribelink*.*"))
# What systemd-analyze calls OK; 10 is no confinement at all.
EXPOSURE = 2.0

passed, failed = 0, []


def check(holds, what):
    global passed
    if holds:
        passed += 1
    else:
        failed.append(what)


def keys():
    """Every key of the default configuration, also those that stand in a comment."""
    section, found = "", set()
    for line in (ROOT / "src/config/default.toml").read_text().splitlines():
        if match := re.match(r"\[([a-z.]+)\]", line):
            section = match[1]
        elif match := re.match(r"(?:# )?([a-z_]+) = ", line):
            found.add(f"{section}.{match[1]}")
    return found


def main():
    if not shutil.which("systemd-analyze"):
        sys.exit("systemd-analyze is missing: install Debian's package systemd")
    known = keys()
    with tempfile.TemporaryDirectory() as folder:
        copies = []
        for unit in UNITS:
            text = unit.read_text()
            for key in re.findall(r"^Environment=TRIBELINK_(\w+)=", text, re.M):
                name = key.lower().replace("__", ".")
                check(name in known or name.removesuffix("_file") in known, f"{unit.name}: no key is named {name}")
            # The program is not installed here.
            copy = Path(folder) / unit.name
            copy.write_text(text.replace("/usr/local/bin/tribelink", "/usr/bin/true"))
            if unit.suffix in (".service", ".timer"):
                copies.append(copy)
        check(len(copies) == 3, "a unit is missing")
        ran = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *copies], capture_output=True, text=True
        )
        said = [line for line in ran.stderr.splitlines() if "tribelink" in line]
        check(ran.returncode == 0 and not said, f"systemd-analyze verify: {ran.stderr}")
        for copy in copies:
            if copy.suffix != ".service":
                continue
            ran = subprocess.run(
                ["systemd-analyze", "security", "--offline=true", f"--threshold={int(EXPOSURE * 10)}", copy],
                capture_output=True,
                text=True,
            )
            last = [line for line in ran.stdout.splitlines() if "exposure" in line]
            check(ran.returncode == 0, f"systemd-analyze security {copy.name}: {last} {ran.stderr}")
    for what in failed:
        print(f"FAIL  {what}")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(bool(failed))


main()
