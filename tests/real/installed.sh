#!/usr/bin/env bash
# As a stranger would: builds the wheel, installs it by name with all extras and their newest libraries into a new environment outside the
# repository, runs the demo there, and backs up, verifies and restores an EDMS with commands as they are typed. Needs a package index.
#
#   tests/real/installed.sh            PYTHON=/path/to/python3.12 takes another interpreter
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/edms-backup-installed-XXXXXX")
trap 'rm -rf "$work"' EXIT
say() { printf '\n== %s (after %d s)\n' "$1" "$SECONDS"; }

say "build"
(cd "$root" && .venv/bin/python -m hatchling build -d "$work/dist")

say "install with ${PYTHON:-python3}"
"${PYTHON:-python3}" -m venv "$work/installed"
"$work/installed/bin/pip" install --quiet --disable-pip-version-check --find-links "$work/dist" 'edms-backup[s3,sftp,pdf,dask]'
"$work/installed/bin/pip" check
cd "$work"
unset PYTHONPATH VIRTUAL_ENV
PATH=$work/installed/bin:$PATH
[ "$(command -v edms-backup)" = "$work/installed/bin/edms-backup" ]

say "demo"
edms-backup demo

say "an EDMS of its own"
project=$(python -c 'import reference_edms, pathlib; print(pathlib.Path(reference_edms.__file__).parent)')
export REFERENCE_EDMS_DATABASE=sqlite:///$work/edms.sqlite3 REFERENCE_EDMS_MEDIA=$work/media REFERENCE_EDMS_SECRET_KEY=only-here
python "$project/manage.py" migrate --verbosity 0
python "$project/manage.py" populate --documents 20
edms-backup init --project "$project" --repository "$work/backups"
edms-backup doctor || [ $? = 1 ]
edms-backup backup --tag first
edms-backup verify
edms-backup restore first --yes
edms-backup diff first
edms-backup report --help >/dev/null
edms-backup deploy --help >/dev/null
say "works from $(python -V)"
