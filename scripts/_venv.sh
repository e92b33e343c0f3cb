# Sourced by the scripts: makes .venv beside the sources, and says clearly what is missing.
# Usage: . scripts/_venv.sh EXTRA_PIP_ARGUMENTS…
set -eu
cd "$(dirname "$0")/.."

fail() {
  printf 'Error: %s\n' "$1" >&2
  exit 1
}

find_python() {
  for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$candidate"
      return
    fi
  done
  fail "Python 3.11 or newer is needed. Install it, or name it: PYTHON=/path/to/python $0"
}

make_venv() {
  [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null && return
  rm -rf .venv
  python=$(find_python)
  "$python" -m venv .venv 2>/dev/null || {
    rm -rf .venv
    # Debian keeps venv in a package of its own.
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
      apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
      "$python" -m venv .venv
    else
      fail "no virtual environment can be made. On Debian: sudo apt install python3-venv"
    fi
  }
}

install() { # what .venv needs, once for each state of pyproject.toml
  stamp=".venv/.installed-$(printf '%s' "$*" | cksum | cut -d' ' -f1)"
  if [ ! -e "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    printf 'Installing into .venv …\n' >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" \
      || fail "the packages could not be installed. Check the network, or your pip configuration, and try again"
    touch "$stamp"
  fi
}

make_venv
