#!/usr/bin/env bash
# Mayan EDMS, unchanged, from its public package: filled, backed up, lost, restored, and compared to the last column and byte;
# and merged into another filled Mayan.
#
#   tests/real/mayan.sh [--keep] [--documents N] [--environment DIR] [--only STAGES]
#
#   --keep             leave the folder with everything in it; the database server is stopped all the same
#   --documents N      how many documents to fill it with; 1000
#   --environment DIR  install Mayan there, or use it if it is there, instead of in the temporary folder
#   --only STAGES      restore or merge; both
#
# Nothing but this repository's .venv is needed (make venv): Mayan gets an environment and a PostgreSQL server of its own,
# in a temporary folder. No Redis, no RabbitMQ, no LibreOffice. Exit code 0 means that no difference was found.
set -euo pipefail

# What this was proved with; the driver is the one that Mayan names for its own images.
MAYAN_VERSION=4.12.2
PSYCOPG_VERSION=3.3.4

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/two_engines.sh"
keep= documents=1000 environment= engines=postgresql stages="restore merge"
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes; shift ;;
        --documents) documents=$2; shift 2 ;;
        --environment) environment=$2; shift 2 ;;
        --only) stages=$2; shift 2 ;;
        *) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
check_engines_and_stages
wanted convert && { echo "error: Mayan EDMS is tried on PostgreSQL alone" >&2; exit 2; }
name=mayan
. "$here/steps.sh"

# A copy, so that Mayan's Python leaves nothing in the repository.
site=$work/site
mkdir "$site"
cp "$here"/mayan/*.py "$here"/inside/*.py "$site"
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
run() { mayan python "$@"; }
with_tasks() { MAYAN_TEST_TASKS=eager "$@"; }
fill() { with_tasks mayan python populate.py "$@"; }
# Mayan's setup writes the database's address into the media folder, and there it wins over MAYAN_DATABASE_NAME; not over this.
look() {
    MAYAN_DATABASES='{"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "'$1'", "HOST": "'$PG_HOST'", "PORT": '$PG_PORT',
        "USER": "'$PG_USER'", "PASSWORD": "'$PG_PASSWORD'"}}' with_tasks mayan python look.py "${@:2}"
}

address_system() {
    media=$home/media
    export MAYAN_MEDIA_ROOT=$media MAYAN_DATABASE_NAME=$system
    # The whole folder is compared, with Mayan's search index and whatever its programs lock.
    edms_backup_env=("EDMS_BACKUP__EXCLUDE__INDEXES=[]" "EDMS_BACKUP__EXCLUDE__RUNNING=[]")
    local variable
    for variable in $(compgen -v MAYAN_ | grep -v '^MAYAN_VERSION$'); do
        edms_backup_env+=("EDMS_BACKUP__EDMS__ENV__$variable=${!variable}")
    done
}

# make_filled OPTIONS…: set up and fill.
make_filled() {
    createdb "$system"
    mayan mayan-edms.py common_initial_setup --no-dependencies
    fill "$@"
}

# `edms-backup init` wants the folder of a manage.py, which Mayan does not have. This is what it writes otherwise.
write_settings() {
    (umask 077 && cat > "$settings_file") << END
workdir = "$home/workdir"
[edms]
project = "$site"
settings = "mayan_site"
python = "$environment/bin/python"
[repository]
url = "$work/repository"
END
    # Natural keys, soft references, what must not be shown.
    sed -n '/^\[natural_keys\]/,$p' "$root/deployments/profiles/mayan-edms.toml" >> "$settings_file"
}

look_before() {
    createdb -T "$system" looked
    look looked --output "$home/answers-before.json" | tee "$home/look"
    dropdb looked
    # Logging in makes a session: it must have been the copy that was looked at.
    [ "$(psql -At "$system" -c 'SELECT count(*) FROM django_session')" = 0 ]
    cat "$home/look"
}

write_down_before() {
    run references.py describe --output "$home/references-before.json" | tee "$home/described"
    copy_database before
    compare folder "$media" --write "$home/files-before.json"
    cat "$home/described"
}

# The comparison itself is tried: one microsecond in one row, one byte in one file, and it must say so.
try_mayans_comparison() {
    createdb -T "$system-before" tampered
    psql -q -v ON_ERROR_STOP=1 tampered -c "UPDATE documents_document SET datetime_created = datetime_created + interval '1 microsecond'
        WHERE id = (SELECT max(id) FROM documents_document)"
    compare databases "$(copied before)" "$(url tampered)" | tee "$home/tried" || true
    grep -q ' rows: 1 differences$' "$home/tried"
    dropdb tampered
    cp -a "$media" "$work/tampered"
    local file
    # Not `head`: it would end `sort` with a broken pipe, which counts here.
    file=$(find "$work/tampered/document_storage" -type f | sort | sed -n 1p)
    touch -r "$file" "$work/time"
    printf '\xa5' | dd of="$file" bs=1 seek=20 conv=notrunc status=none
    touch -r "$work/time" "$file"
    compare folder "$work/tampered" --against "$home/files-before.json" | tee "$home/tried" || true
    grep -q ' bytes: 1 differences$' "$home/tried"
    rm -r "$work/tampered"
    echo "it sees one microsecond, and one byte"
}

# Each start of Mayan, whoever starts it, writes its settings and the time into this one file. The snapshot holds the copy
# that the backup's own look at Mayan left, so that is the one to find again: what is compared in the end has no exception.
own_writing=(--without config_backup.yml)
changed_nothing() {
    compare folder "$media" --against "$home/files-before.json" "${own_writing[@]}"
    compare databases "$(copied before)" "$database"
    compare folder "$media" --write "$home/files-before.json"
}

mayans_own_checks() {
    none_of_ours
    mayan mayan-edms.py check --database default
    mayan mayan-edms.py migrate --check
    mayan mayan-edms.py makemigrations --check --dry-run
    mayan mayan-edms.py showmigrations --plan > "$work/migrations"
    grep -q '^\[X\]' "$work/migrations"
    if grep '^\[ \]' "$work/migrations"; then exit 1; fi
    echo "$(grep -c '^\[X\]' "$work/migrations") migrations applied, none missing"
}

look_after() {
    look "$system" --output "$home/answers-after.json" --write
    cmp "$home/answers-before.json" "$home/answers-after.json"
    echo "$(wc -c < "$home/answers-before.json") bytes of answers are the same, and a new document was added"
}

look_at_merged() {
    createdb -T "$system" looked
    look looked --output "$home/answers-merged.json"
    dropdb looked
}

# Rows of names and labels that both have, under other ids; the caches of pictures are left alone.
merge_stage() {
    use target-postgresql postgresql
    step "another one, filled" make_filled --documents "$((documents / 2))" --seed 2 --first 3
    step "write down what is there" write_down_before
    write_settings
    step "edms-backup merge" merge_once
    step "each reference right, target untouched" untouched_and_right
    step "Mayan's own checks" mayans_own_checks
    step "look at it as people do" look_at_merged
    step "a second merge writes nothing" merge_again
}

step "install Mayan EDMS" install_mayan
start_postgres
export PYTHONPATH=$site PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore DJANGO_SETTINGS_MODULE=mayan_site
export MAYAN_DATABASE_ENGINE=django.db.backends.postgresql MAYAN_DATABASE_HOST=$PG_HOST MAYAN_DATABASE_PORT=$PG_PORT \
    MAYAN_DATABASE_USER=$PG_USER MAYAN_DATABASE_PASSWORD=$PG_PASSWORD
export MAYAN_STORAGE_TEMPORARY_DIRECTORY=$work/tmp
export MAYAN_AUTOADMIN_USERNAME=admin MAYAN_AUTOADMIN_PASSWORD=the-password-of-the-test
# Programs that a bare machine does not have, and a limit that a script would meet.
export MAYAN_OCR_AUTO_OCR=false MAYAN_DOCUMENT_PARSING_AUTO_PARSING=false MAYAN_REST_API_THROTTLING_ENABLED=false
engine=postgresql
use source-postgresql postgresql
step "set up, fill with $documents documents" make_filled --documents "$documents"
step "look at it as people do" look_before
step "write down what is there" write_down_before
step "try the comparison" try_mayans_comparison
write_settings
step "edms-backup doctor" edms_backup doctor
step "edms-backup backup" backup
step "nothing was changed by it" changed_nothing
if wanted restore; then
    step "lose everything, set up anew" lose_everything --documents 12 --seed 2
    step "edms-backup restore latest --yes" edms_backup restore latest --yes
    step "every table, column, row and file" same_as_before
    step "Mayan's own checks" mayans_own_checks
    step "the same references" run references.py same "$home/references-before.json"
    step "look again, and work on" look_after
fi
if wanted merge; then merge_stage; fi
proved "Mayan EDMS $MAYAN_VERSION: $stages, with no difference"
