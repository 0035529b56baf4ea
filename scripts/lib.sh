# Shared by scripts/test and scripts/check: parts with a progress line each, counted tests, a summary.
# To be sourced.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

# Kept between runs and outside of the checkout, so that a fresh clone need not build dependencies.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/tribelink/target}
export CARGO_TERM_COLOR=never
logs=$CARGO_TARGET_DIR/test-logs
mkdir -p "$logs"

passed=0
failed=0
summary=()

# part NAME COMMAND...: runs it, its output in a log; shows the log's end when it fails. Parts go on
# after a failure, so that one run tells everything.
part() {
  local name=$1 log began=$SECONDS took status=0
  shift
  log=$logs/${name//[^a-z0-9]/-}.log
  printf '… %s\n' "$name"
  : >"$log"
  progress "$log" &
  local watching=$!
  ("$@") >"$log" 2>&1 || status=$?
  kill "$watching" 2>/dev/null
  wait "$watching" 2>/dev/null
  took=$((SECONDS - began))
  local tests
  tests=$(count_tests "$log")
  local ok=${tests%% *} bad=${tests##* }
  # A part that failed without a failed test (it did not compile, say) counts as one failure.
  if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  if [ "$status" -eq 0 ] && [ "$bad" -eq 0 ]; then
    local counted=
    [ "$ok" -gt 0 ] && counted="  $ok passed"
    summary+=("$(printf 'ok    %-8s %4d s%s' "$name" "$took" "$counted")")
  else
    tail -n 80 "$log"
    summary+=("$(printf 'FAIL  %-8s %4d s  %d failed, log: %s' "$name" "$took" "$bad" "$log")")
  fi
  printf '%s\n' "${summary[-1]}"
}

# progress LOG: every half minute how long a part runs and the last thing it said, until it is killed
# or the script is gone.
progress() {
  local began=$SECONDS line
  # The nap holds no output open: whoever reads it learns of the end at once.
  while sleep 30 >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
    line=$(tail -n 20 "$1" | tr -d '\r' | grep -v '^[[:space:]]*$' | tail -n 1 | cut -c 1-100)
    printf '  %4d s  %s\n' "$((SECONDS - began))" "$line"
  done
}

# Tests that a log tells of, as "passed failed". Knows nextest, cargo test, and any closing line
# "N passed, M failed". A skipped or ignored test counts as failed: nothing is skipped silently.
count_tests() {
  awk '
    function number(text) { gsub(/[^0-9]/, "", text); return text + 0 }
    /^ *Summary \[.*tests? run:/ {
      if (match($0, /[0-9]+ passed/)) ok += number(substr($0, RSTART, RLENGTH))
      if (match($0, /[0-9]+ failed/)) bad += number(substr($0, RSTART, RLENGTH))
      if (match($0, /[0-9]+ timed out/)) bad += number(substr($0, RSTART, RLENGTH))
      if (match($0, /[0-9]+ skipped/)) bad += number(substr($0, RSTART, RLENGTH))
      next
    }
    /^test result: / {
      if (match($0, /[0-9]+ passed/)) ok += number(substr($0, RSTART, RLENGTH))
      if (match($0, /[0-9]+ failed/)) bad += number(substr($0, RSTART, RLENGTH))
      if (match($0, /[0-9]+ ignored/)) bad += number(substr($0, RSTART, RLENGTH))
      next
    }
    /^[0-9]+ passed, [0-9]+ failed$/ { ok += $1; bad += $3 }
    END { print ok + 0, bad + 0 }
  ' "$1"
}

# Ends the run: the summary, and a closing line for machines.
finish() {
  printf '\n'
  printf '%s\n' "${summary[@]}"
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" -eq 0 ]
}

die() {
  printf '%s\n' "$@" >&2
  exit 1
}

# Rust's tools; the toolchain file names the version.
need_rust() {
  command -v cargo >/dev/null ||
    die "cargo is missing: install Rust from https://rustup.rs, then run this again"
  local tool
  for tool in fmt clippy; do
    cargo "$tool" --version >/dev/null 2>&1 ||
      die "cargo $tool is missing: rustup component add rustfmt clippy"
  done
}

# need_packages: what the checks need besides Rust, from Debian where this user may install.
need_packages() {
  local missing=()
  command -v cc >/dev/null || missing+=(build-essential)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v systemd-analyze >/dev/null || missing+=(systemd)
  command -v python3 >/dev/null || missing+=(python3)
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || missing+=(chromium)
  [ "${#missing[@]}" -eq 0 ] && return 0

  local advice="install these and run this again: ${missing[*]}"
  command -v apt-get >/dev/null || die "$advice (their Debian names; this system has no apt-get)"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || die "$advice (this user is neither root nor may it use sudo)"
    as_root=(sudo -n)
  fi
  printf '… installing %s\n' "${missing[*]}"
  {
    "${as_root[@]}" apt-get update &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
  } >"$logs/apt.log" 2>&1 || {
    tail -n 20 "$logs/apt.log" >&2
    die "apt-get failed: $advice"
  }
}

# node_modules FOLDER: installs what its package.json names, anew when that changes.
node_modules() {
  local stamp how=(install --no-package-lock)
  [ ! -e "$1/package-lock.json" ] || how=(ci)
  stamp=$(cat "$1"/package*.json | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$1/node.stamp" 2>/dev/null)" != "$stamp" ]; then
    (cd "$1" && npm "${how[@]}" --silent --no-audit --no-fund)
    echo "$stamp" >"$1/node.stamp"
  fi
}

# What `sandbox` started, and $work: to be ended and removed by cleanup.
sandboxes=()
work=

cleanup() {
  [ "${#sandboxes[@]}" -eq 0 ] || kill "${sandboxes[@]}" 2>/dev/null || true
  [ -z "$work" ] || rm -rf "$work"
}

# sandbox LOG ARGUMENTS...: starts one on a free port and waits for the line that names its address. $program, where
# it is set, is the program that is asked for it.
sandbox() {
  local log=$1 tries=0
  shift
  # There before it is looked into: the program may begin later than the loop.
  : >"$log"
  "${program:-$CARGO_TARGET_DIR/debug/tribelink}" sandbox --listen 127.0.0.1:0 "$@" >"$log" 2>&1 &
  sandboxes+=($!)
  until grep -qE 'https?://127\.0\.0\.1:[0-9]+' "$log"; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || die "the sandbox did not start:" "$(cat "$log")"
    sleep 0.1
  done
}
port_of() { grep -oE '127\.0\.0\.1:[0-9]+' "$1" | head -n 1 | cut -d: -f2; }

lint() {
  cargo clippy --locked --workspace --all-targets -- -D warnings
}
