#!/usr/bin/env bash
# EDMSs with other Pythons and other Djangos than ours, in environments that hold none of our packages: each is backed up,
# lost, restored and compared, on SQLite and on PostgreSQL.
#
#   tests/real/other_environments.sh [pytest's options]
#
# Interpreters that are not here (in the PATH, in pyenv, in EDMS_BACKUP_TEST_PYTHONS) are fetched by uv into a temporary
# folder; their packages come from the package index. Nothing is skipped: what cannot be had is a failure.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
ours=$root/.venv/bin
[ -x "$ours/python" ] || { echo "error: there is no $ours/python; run make venv" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/tmp}/edms-backup-worlds-XXXXXX")
trap 'rm -rf "$work"' EXIT

worlds() { (cd "$root" && "$ours/python" -m tests.inventory.environments "$@"); }

# uv itself, too, where it is not here.
fetch() {
    local uv
    if ! uv=$(command -v uv); then
        uv=$work/tools/bin/uv
        [ -x "$uv" ] || { "$ours/python" -m venv "$work/tools" && "$work/tools/bin/python" -m pip install --quiet uv; } >&2
    fi
    UV_PYTHON_INSTALL_DIR=$work/pythons "$uv" python install --no-bin "$1" >&2 &&
        UV_PYTHON_INSTALL_DIR=$work/pythons "$uv" python find --managed-python --no-project "$1"
}

pythons=
for version in $(worlds versions); do
    python=$(worlds find "$version") || python=$(fetch "$version") || { echo "error: no Python $version to be had" >&2; exit 1; }
    echo "Python $version: $("$python" -V)"
    pythons=$pythons:$python
done
cd "$root"
EDMS_BACKUP_TEST_PYTHONS=${pythons#:} "$ours/python" -m pytest -p no:cacheprovider -vv -m "long or not long" tests/inventory/test_other_environments.py "$@"
