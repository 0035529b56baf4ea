"""The Dockerfile, as far as it can be checked without a Docker engine: its dependency layer is a workspace
that Cargo accepts, what it copies is there, and the image runs confined."""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

passed, failed = 0, []


def check(holds, what):
    global passed
    if holds:
        passed += 1
    else:
        failed.append(what)


def instructions():
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    joined = re.sub(r"\\\n\s*", "", text)
    return [line.split(None, 1) for line in joined.splitlines() if line.strip()]


def main():
    lines = instructions()
    stages = [rest for word, rest in lines if word == "FROM"]
    check(len(stages) == 2 and " AS build" in stages[0], "two stages")
    check(all(":" in stage and ":latest" not in stage for stage in stages), "bases have a version")
    channel = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    check(channel.startswith(re.search(r"rust:([\d.]+)", stages[0])[1]), f"the toolchain is {channel}")

    with tempfile.TemporaryDirectory() as folder:
        for word, rest in lines:
            if word == "COPY" and not rest.startswith(("--from", ". ")):
                *sources, target = rest.split()
                for source in sources:
                    there = (ROOT / source).is_file()
                    check(there, f"COPY {source}: no such file")
                    place = Path(folder) / (target if not target.endswith("/") else target + source)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    if there:
                        place.write_bytes((ROOT / source).read_bytes())
            if word == "RUN" and "mkdir -p src" in rest:
                script = rest.replace("cargo build --profile dist --locked", "cargo metadata --locked --no-deps --format-version 1 >metadata.json")
                ran = subprocess.run(["sh", "-ec", script], cwd=folder, capture_output=True, text=True)
                check(ran.returncode == 0, f"the dependency layer: {ran.stderr}")
    members = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]
    copied = " ".join(rest for word, rest in lines if word == "COPY")
    for member in members:
        check(f"{member}/Cargo.toml" in copied, f"{member} is not in the dependency layer")

    last = lines[[word for word, _ in lines].index("FROM", 1) :]
    words = dict(last)
    check(re.fullmatch(r"[1-9]\d*:[1-9]\d*", words["USER"]) is not None, "a user by number, not root")
    check('"health"' in words["HEALTHCHECK"], "the health check asks the program itself")
    check(words["ENTRYPOINT"].startswith("[") and words["CMD"].startswith("["), "no shell")
    check("secret" not in copied.lower(), "no secret is copied")
    check(not any(word in ("RUN", "ADD") for word, _ in last), "the last stage runs nothing")

    for what in failed:
        print(f"FAIL  {what}")
    print(f"{passed} passed, {len(failed)} failed")
    sys.exit(bool(failed))


main()
