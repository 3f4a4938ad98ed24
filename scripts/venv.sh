# shellcheck shell=sh disable=SC2154
# Make ./.venv hold exactly what one lock names: `lock=runtime; . scripts/venv.sh` (or `lock=test`).
#
# Sourced by ./serve and ./check from the repository's root; leaves the interpreter's path in $python.
# A stamp (this directory, the lock, pyproject.toml) makes every later run a matter of milliseconds.
# Wheels only, and only those whose hashes the lock knows: nothing is compiled, nothing is unpinned.

python=.venv/bin/python

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "Tallystick needs Python 3.11 or later, and there is none on the PATH."
    exit 2
}

# Install a Debian package where we may; otherwise print the line to run and fail.
need_package() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing $1 (apt) …"
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$1"; } >/dev/null </dev/null
    else
        say "$1 is missing. Run this line, then try again:"
        say "    sudo apt-get install -y $1"
        return 1
    fi
}

make_venv() {
    base=$(find_python) || exit 2
    # Debian ships the venv module without its installer (ensurepip) unless python3-venv is there.
    "$base" -c 'import ensurepip, venv' 2>/dev/null || need_package python3-venv || exit 2
    say "Creating .venv …"
    "$base" -m venv --clear .venv
}

# Make $1 hold exactly what one lock names and nothing of this project: for clients that pin other versions than ours.
make_side_venv() {
    side_wanted=$({ pwd; cat "$2"; } | cksum)
    if [ -f "$1/installed" ] && [ "$(cat "$1/installed")" = "$side_wanted" ] && "$1/bin/python" -c '' 2>/dev/null; then
        return
    fi
    say "Installing what $2 names into $1 …"
    "$python" -m venv --clear --without-pip "$1" &&
        "$python" -m pip --disable-pip-version-check --python "$1/bin/python" install --quiet --no-compile --require-hashes \
            --only-binary :all: -r "$2" &&
        printf '%s\n' "$side_wanted" >"$1/installed"
}

# Build the console where its sources are not what was built (hatch_build.py; milliseconds where they are). Needs $python.
make_console() {
    "$python" hatch_build.py || {
        say "The console could not be built. The gateway, its API and its commands work without it; make console tries again."
        return 1
    }
}

stamp=.venv/installed-$lock
wanted=$({ pwd; cat "requirements/$lock.txt" pyproject.toml; } | cksum)
if ! { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && "$python" -c '' 2>/dev/null; }; then
    "$python" -m pip --version >/dev/null 2>&1 || make_venv
    say "Installing what requirements/$lock.txt names …"
    "$python" -m pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all: -r "requirements/$lock.txt"
    "$python" -m pip --disable-pip-version-check install --quiet --no-deps --no-build-isolation --editable .
    printf '%s\n' "$wanted" >"$stamp"
fi
