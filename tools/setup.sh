# Sourced by tools/demo, tools/test and tools/build_deb: a virtual environment in .venv with the extras asked for, made on first use; with
# OLDEST=1 one in .venv-oldest, of the oldest versions that are allowed.
# Needs Python 3.11 or newer with venv; PYTHON names another interpreter. A stamp per set of extras makes later starts quick.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root" || exit 1
venv=.venv versions=tools/dev.lock
[ -z "${OLDEST:-}" ] || { venv=.venv-oldest versions=tools/oldest.lock; }
python=$root/$venv/bin/python

say() { printf '%s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else say "needs root for: $*"; return 1
    fi
}

# debian PACKAGE...: install Debian packages.
debian() {
    command -v apt-get >/dev/null 2>&1 || { say "please install: $*"; return 1; }
    say "installing $* ..."
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 ||
        { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null; }
}

# environment EXTRA: make the virtual environment and install the project with that extra, unless that was done for these files.
environment() {
    extra=$1
    stamp=$root/$venv/.installed-$extra
    if [ -e "$stamp" ] && [ ! "$root/pyproject.toml" -nt "$stamp" ] && [ ! "$root/$versions" -nt "$stamp" ]; then
        return 0
    fi
    if [ ! -x "$python" ]; then
        base=${PYTHON:-python3}
        "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { say "Python 3.11 or newer is needed; set PYTHON to one"; exit 1; }
        say "making $venv (first use) ..."
        "$base" -m venv "$root/$venv" 2>/dev/null || { rm -rf "${root:?}/$venv"; debian python3-venv && "$base" -m venv "$root/$venv"; } || exit 1
    fi
    say "installing edge-vitals[$extra] into $venv (once) ..."
    "$python" -m pip install -q --disable-pip-version-check -c "$versions" -e ".[$extra]" || { say "the installation failed; see above"; exit 1; }
    touch "$stamp"
}

# face_models: fetch the third-party face models once; without them the camera stage says what is missing.
face_models() {
    "$root/$venv/bin/edge-vitals" models pull --quiet || say "the face models could not be fetched: the camera stage will be off"
}
