#!/usr/bin/env bash
# Mayan EDMS, unchanged, from its public package: filled, backed up, lost, restored, and compared to the last column and byte.
#
#   tests/real/mayan.sh [--keep] [--documents N] [--environment DIR]
#
#   --keep             leave the folder with everything in it; the database server is stopped all the same
#   --documents N      how many documents to fill it with; 1000
#   --environment DIR  install Mayan there, or use it if it is there, instead of in the temporary folder
#
# Nothing but this repository's .venv is needed (make venv): Mayan gets an environment and a PostgreSQL server of its own,
# in a temporary folder. No Redis, no RabbitMQ, no LibreOffice. Exit code 0 means that no difference was found.
set -euo pipefail

# What this was proved with; the driver is the one that Mayan names for its own images.
MAYAN_VERSION=4.12.2
PSYCOPG_VERSION=3.3.4

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
keep= documents=1000 environment=
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes; shift ;;
        --documents) documents=$2; shift 2 ;;
        --environment) environment=$2; shift 2 ;;
        *) sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
name=mayan
. "$here/steps.sh"

# A copy, so that Mayan's Python leaves nothing in the repository.
site=$work/site
mkdir "$site"
cp "$here"/mayan/*.py "$site"
environment=${environment:-$work/mayan-venv}

install_mayan() {
    # The mark comes last, so that an installation that was cut off is done again.
    if [ ! -e "$environment/mayan-is-installed" ]; then
        "${PYTHON:-python3}" -m venv "$environment"
        "$environment/bin/python" -m pip install --quiet --no-deps "mayan-edms==$MAYAN_VERSION"
        # All that the package asks for, except the LDAP login backend: it is built against the system's OpenLDAP, and
        # Mayan imports it only where LDAP is configured.
        "$environment/bin/python" - > "$work/requirements.txt" << 'END'
from importlib.metadata import requires
print(*(line for line in requires("mayan-edms") if not line.startswith("django-auth-ldap")), sep="\n")
END
        "$environment/bin/python" -m pip install --quiet -r "$work/requirements.txt" "psycopg[binary]==$PSYCOPG_VERSION"
        touch "$environment/mayan-is-installed"
    fi
    "$environment/bin/python" -c '
import sys; from importlib.metadata import version
print("Mayan EDMS", version("mayan-edms"), "on Django", version("django"), "and Python", sys.version.split()[0])'
}

# Mayan's own commands, in Mayan's environment.
mayan() { (cd "$site" && "$environment/bin/$1" "${@:2}"); }
with_tasks() { MAYAN_TEST_TASKS=eager "$@"; }
fill() { with_tasks mayan python populate.py "$@"; }
# Mayan's setup writes the database's address into the media folder, and there it wins over MAYAN_DATABASE_NAME; not over this.
look() {
    MAYAN_DATABASES='{"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "'$1'", "HOST": "'$PG_HOST'", "PORT": '$PG_PORT',
        "USER": "'$PG_USER'", "PASSWORD": "'$PG_PASSWORD'"}}' with_tasks mayan python look.py "${@:2}"
}

set_up() {
    createdb mayan
    mayan mayan-edms.py common_initial_setup --no-dependencies
}

write_settings() {
    (umask 077 && cat > "$work/edms-backup.toml") << END
workdir = "$work/workdir"
[edms]
project = "$site"
settings = "mayan_site"
python = "$environment/bin/python"
[edms.env]
$(env | sed -n 's/^\(MAYAN_[A-Z_]*\)=\(.*\)$/\1 = "\2"/p')
[repository]
url = "$work/repository"
END
    # What `edms-backup init` writes for it: natural keys, soft references, what must not be shown.
    sed -n '/^\[natural_keys\]/,$p' "$root/deployments/profiles/mayan-edms.toml" >> "$work/edms-backup.toml"
}

look_before() {
    createdb -T mayan looked
    look looked --output "$work/answers-before.json" | tee "$work/look"
    dropdb looked
    # Logging in makes a session: it must have been the copy that was looked at.
    [ "$(psql -At mayan -c 'SELECT count(*) FROM django_session')" = 0 ]
    cat "$work/look"
}

write_down_before() {
    createdb -T mayan before
    compare folder "$MAYAN_MEDIA_ROOT" --write "$work/files-before.json"
}

# The comparison itself is tried: one microsecond in one row, one byte in one file, and it must say so.
try_comparison() {
    createdb -T before tampered
    psql -q -v ON_ERROR_STOP=1 tampered -c "UPDATE documents_document SET datetime_created = datetime_created + interval '1 microsecond'
        WHERE id = (SELECT max(id) FROM documents_document)"
    compare databases "$(url before)" "$(url tampered)" | tee "$work/tried" || true
    grep -q ' rows: 1 differences$' "$work/tried"
    dropdb tampered
    cp -a "$MAYAN_MEDIA_ROOT" "$work/tampered"
    local file
    # Not `head`: it would end `sort` with a broken pipe, which counts here.
    file=$(find "$work/tampered/document_storage" -type f | sort | sed -n 1p)
    touch -r "$file" "$work/time"
    printf '\xa5' | dd of="$file" bs=1 seek=20 conv=notrunc status=none
    touch -r "$work/time" "$file"
    compare folder "$work/tampered" --against "$work/files-before.json" | tee "$work/tried" || true
    grep -q ' bytes: 1 differences$' "$work/tried"
    rm -r "$work/tampered"
    echo "it sees one microsecond, and one byte"
}

lose_everything() {
    dropdb mayan
    rm -r "$MAYAN_MEDIA_ROOT"
    set_up
    fill --documents 12 --seed 2
    compare databases "$(url before)" "$(url mayan)" | tee "$work/tried" || true
    grep -q ' rows: [1-9][0-9]* differences$' "$work/tried"
}

# Each start of Mayan, whoever starts it, writes its settings and the time into this one file. The snapshot holds the copy
# that the backup's own look at Mayan left, so that is the one to find again: what is compared in the end has no exception.
changed_nothing() {
    compare folder "$MAYAN_MEDIA_ROOT" --against "$work/files-before.json" --without config_backup.yml
    compare databases "$(url before)" "$(url mayan)"
    compare folder "$MAYAN_MEDIA_ROOT" --write "$work/files-before.json"
}

same_as_before() {
    compare folder "$MAYAN_MEDIA_ROOT" --against "$work/files-before.json" | tee "$work/files-compared"
    compare databases "$(url before)" "$(url mayan)" > "$work/rows-compared" || { cat "$work/rows-compared"; exit 1; }
    echo "$(cat "$work/rows-compared"); $(tail -n 1 "$work/files-compared")"
}

mayans_own_checks() {
    mayan python -c '
from importlib.util import find_spec
ours = [name for name in ("edms_tasks", "flows", "expectations", "prefect", "duckdb", "pyarrow") if find_spec(name)]
assert not ours, ours'
    mayan mayan-edms.py check --database default
    mayan mayan-edms.py migrate --check
    mayan mayan-edms.py makemigrations --check --dry-run
    mayan mayan-edms.py showmigrations --plan > "$work/migrations"
    grep -q '^\[X\]' "$work/migrations"
    if grep '^\[ \]' "$work/migrations"; then exit 1; fi
    echo "$(grep -c '^\[X\]' "$work/migrations") migrations applied, none missing"
}

look_after() {
    look mayan --output "$work/answers-after.json" --write
    cmp "$work/answers-before.json" "$work/answers-after.json"
    echo "$(wc -c < "$work/answers-before.json") bytes of answers are the same, and a new document was added"
}

step "install Mayan EDMS" install_mayan
start_postgres
export PYTHONPATH=$site:$here/inside PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore DJANGO_SETTINGS_MODULE=mayan_site
export MAYAN_DATABASE_ENGINE=django.db.backends.postgresql MAYAN_DATABASE_NAME=mayan MAYAN_DATABASE_HOST=$PG_HOST \
    MAYAN_DATABASE_PORT=$PG_PORT MAYAN_DATABASE_USER=$PG_USER MAYAN_DATABASE_PASSWORD=$PG_PASSWORD
# The whole folder is compared, with Mayan's search index and whatever its programs lock.
export EDMS_BACKUP__EXCLUDE__INDEXES='[]' EDMS_BACKUP__EXCLUDE__RUNNING='[]'
export MAYAN_MEDIA_ROOT=$work/media MAYAN_STORAGE_TEMPORARY_DIRECTORY=$work/tmp
export MAYAN_AUTOADMIN_USERNAME=admin MAYAN_AUTOADMIN_PASSWORD=the-password-of-the-test
# Programs that a bare machine does not have, and a limit that a script would meet.
export MAYAN_OCR_AUTO_OCR=false MAYAN_DOCUMENT_PARSING_AUTO_PARSING=false MAYAN_REST_API_THROTTLING_ENABLED=false
step "initial setup" set_up
step "fill with $documents documents" fill --documents "$documents"
step "look at it as people do" look_before
step "write down what is there" write_down_before
step "try the comparison" try_comparison
write_settings
step "edms-backup doctor" edms_backup doctor
step "edms-backup backup" edms_backup backup
step "nothing was changed by it" changed_nothing
step "lose everything, set up anew" lose_everything
step "edms-backup restore latest --yes" edms_backup restore latest --yes
step "every table, column, row and file" same_as_before
step "Mayan's own checks" mayans_own_checks
step "look again, and work on" look_after
proved "Mayan EDMS $MAYAN_VERSION came back with no difference"
