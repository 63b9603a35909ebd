#!/usr/bin/env bash
# paperless-ngx, unchanged, from its public repository: filled, backed up, lost, restored, compared to the last column and
# byte, on SQLite and on PostgreSQL; moved from one engine to the other; merged into another filled paperless-ngx.
#
#   tests/real/paperless.sh [--keep] [--documents N] [--environment DIR] [--engines "sqlite postgresql"] [--only STAGES]
#
#   --keep             leave the folder with everything in it; the database server is stopped all the same
#   --documents N      how many documents to fill it with; 1000
#   --environment DIR  install what paperless-ngx needs there, or use it if it is there, instead of in the temporary folder
#   --engines LIST     sqlite, postgresql or both
#   --only STAGES      restore, convert or merge, or several of them; all
#
# SOURCE=DIR names a folder with its source; without it the source is cloned at the version below. Needed besides: this
# repository's .venv (make venv), git, and Python 3.11 or newer. paperless-ngx gets an environment and a PostgreSQL server
# of its own, in a temporary folder. No Redis, no OCR: nothing is queued or recognised here. Exit code 0 means that no
# difference was found.
set -euo pipefail

VERSION=3.0.5
REPOSITORY=https://github.com/paperless-ngx/paperless-ngx

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
keep= documents=1000 environment= engines="sqlite postgresql" stages="restore convert merge"
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes; shift ;;
        --documents) documents=$2; shift 2 ;;
        --environment) environment=$2; shift 2 ;;
        --engines) engines=$2; shift 2 ;;
        --only) stages=$2; shift 2 ;;
        *) sed -n '2,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
[ "$documents" -ge 40 ] || { echo "error: --documents must be 40 or more: the traps need some" >&2; exit 2; }
for one in $engines; do
    case $one in sqlite | postgresql) ;; *) echo "error: --engines takes sqlite and postgresql, not $one" >&2; exit 2 ;; esac
done
for one in $stages; do
    case $one in restore | convert | merge) ;; *) echo "error: --only takes restore, convert and merge, not $one" >&2; exit 2 ;; esac
done
[ -n "$engines" ] && [ -n "$stages" ] || { echo "error: name an engine and a stage" >&2; exit 2; }
name=paperless
. "$here/steps.sh"

# A copy, so that paperless's Python leaves nothing in the repository.
site=$work/site
mkdir "$site"
cp "$here"/paperless/*.py "$site"
environment=${environment:-$work/paperless-venv}
source=${SOURCE:-$work/source}

take_source() {
    if [ -z "${SOURCE:-}" ]; then
        git clone --quiet --depth 1 --branch "v$VERSION" "$REPOSITORY" "$source"
    fi
    [ -f "$source/src/manage.py" ] || { echo "there is no src/manage.py in $source"; exit 1; }
    sed -n 's/^version = "\(.*\)"/paperless-ngx \1/p' "$source/pyproject.toml"
}

install_needed() {
    # The mark comes last, so that an installation that was cut off is done again.
    if [ ! -e "$environment/paperless-is-installed" ]; then
        "${PYTHON:-python3}" -m venv "$environment"
        # What it asks for, except what it imports only for its language models, its classifier and its remote OCR: gigabytes.
        "$environment/bin/python" - "$source/pyproject.toml" > "$work/requirements.txt" << 'END'
import sys, tomllib
unused = ("torch", "sentence-transformers", "llama-index", "openai", "azure-", "scikit-learn", "nltk", "sqlite-vec")
with open(sys.argv[1], "rb") as stream:
    needed = tomllib.load(stream)["project"]["dependencies"]
print(*(one for one in needed if not one.startswith(unused)), sep="\n")
END
        "$environment/bin/python" -m pip install --quiet -r "$work/requirements.txt" "psycopg[binary,pool]==3.3.*"
        touch "$environment/paperless-is-installed"
    fi
    "$environment/bin/python" -c '
import sys; from importlib.metadata import version
print("Django", version("django"), "and Python", sys.version.split()[0])'
}

# use NAME ENGINE: the paperless-ngx that all that follows is about.
use() {
    system=$1 engine=$2
    home=$work/$system
    export PAPERLESS_DATA_DIR=$home/data PAPERLESS_MEDIA_ROOT=$home/media PAPERLESS_CONSUMPTION_DIR=$home/consume
    export PAPERLESS_DBENGINE=$engine PAPERLESS_DBNAME=$system
    settings_file=$home/edms-backup.toml
    edms_backup_env=()
    local variable
    for variable in $(compgen -v PAPERLESS_); do
        edms_backup_env+=("EDMS_BACKUP__EDMS__ENV__$variable=${!variable}")
    done
    if [ "$engine" = sqlite ]; then database=$home/data/db.sqlite3; else database=$(url "$system"); fi
}

# paperless's own commands, in its environment.
manage() { (cd "$source/src" && "$environment/bin/python" manage.py "$@"); }
run() { (cd "$site" && "$environment/bin/python" "$@"); }

set_up() {
    mkdir -p "$home"/{data/index,data/log,media,consume}
    [ "$engine" = sqlite ] || createdb "$system"
    manage migrate --skip-checks
}

fill() {
    run populate.py "$@"
    reindex
}

# The search index is made from the database; it is no part of a backup.
reindex() { manage document_index reindex --skip-checks --no-progress-bar --heap-size-mb 64; }

make_filled() {
    set_up
    fill "$@" | tee "$home/filled"
    tail -n 1 "$home/filled"
}

init() {
    edms_backup init --project "$source/src" --settings paperless.settings --python "$environment/bin/python" \
        --repository "$work/repository-$1"
}

# copy_database TO: the database as it is now, under another name beside it.
copy_database() {
    if [ "$engine" = sqlite ]; then
        "$ours/python" -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).backup(sqlite3.connect(sys.argv[2]))' "$database" "$home/$1.sqlite3"
    else
        createdb -T "$system" "$system-$1"
    fi
}
copied() { if [ "$engine" = sqlite ]; then echo "$home/$1.sqlite3"; else url "$system-$1"; fi; }

write_down_before() {
    run look.py --output "$home/answers-before.json" | tee "$home/look"
    run references.py describe --output "$home/references-before.json"
    copy_database before
    # Paperless makes it anew when it writes; as a lock file it is left out of snapshots.
    rm "$PAPERLESS_MEDIA_ROOT/media.lock"
    compare folder "$PAPERLESS_MEDIA_ROOT" --write "$home/files-before.json"
    cat "$home/look"
}

# The comparison itself is tried: one microsecond in one row, and it must say so.
try_comparison() {
    copy_database tampered
    local change="UPDATE documents_document SET added = (SELECT max(added) FROM documents_document) WHERE id = 1"
    if [ "$engine" = sqlite ]; then
        "$ours/python" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$(copied tampered)" "$change"
    else
        psql -q -v ON_ERROR_STOP=1 "$system-tampered" -c "$change"
    fi
    compare databases "$(copied before)" "$(copied tampered)" | tee "$home/tried" || true
    grep -q ' rows: 1 differences$' "$home/tried"
    echo "it sees one changed value"
}

same_as_before() {
    compare folder "$PAPERLESS_MEDIA_ROOT" --against "$home/files-before.json" | tee "$home/files-compared"
    compare databases "$(copied before)" "$database" > "$home/rows-compared" || { cat "$home/rows-compared"; exit 1; }
    echo "$(cat "$home/rows-compared"); $(tail -n 1 "$home/files-compared")"
}

lose_everything() {
    if [ "$engine" = sqlite ]; then rm -r "$home/data"; else dropdb "$system"; fi
    rm -r "$PAPERLESS_MEDIA_ROOT"
    make_filled --documents 40 --label B --seed 2
    compare databases "$(copied before)" "$database" | tee "$home/tried" || true
    grep -q ' rows: [1-9][0-9]* differences$' "$home/tried"
}

# PostgreSQL writes some conditions in other words once they were written out and read again: ARRAY['a'::varchar]::text[] becomes
# ARRAY['a'::varchar::text]. What came back is compared with what PostgreSQL's own tools make of the copy.
as_postgres_brings_it_back() {
    pg_dump -Fc -d "$system-before" -f "$home/before.dump"
    dropdb "$system-before"
    createdb "$system-before"
    pg_restore -d "$system-before" --exit-on-error "$home/before.dump"
    rm "$home/before.dump"
}

own_checks() {
    run -c '
from importlib.util import find_spec
ours = [name for name in ("edms_tasks", "flows", "expectations", "prefect", "duckdb", "pyarrow") if find_spec(name)]
assert not ours, ours'
    manage check --database default
    manage migrate --check --skip-checks
    manage makemigrations --check --dry-run --skip-checks
    echo "checked, and no migration is missing"
}

look_again() {
    reindex
    run look.py --output "$home/answers-after.json" --write
    cmp "$home/answers-before.json" "$home/answers-after.json"
    echo "$(wc -c < "$home/answers-before.json") bytes of answers are the same, those of its sanity checker among them; work goes on"
}

restore_stage() {
    step "$engine: the comparison is tried" try_comparison
    step "$engine: doctor" edms_backup doctor
    step "$engine: nothing was changed by it" same_as_before
    step "$engine: lose everything, set up anew" lose_everything
    step "$engine: restore latest --yes" edms_backup restore latest --yes
    [ "$engine" = sqlite ] || step "$engine: what pg_restore would bring back" as_postgres_brings_it_back
    step "$engine: every table, column, row, file" same_as_before
    step "$engine: paperless's own checks" own_checks
    step "$engine: the same references" run references.py same "$home/references-before.json"
    step "$engine: look again, and work on" look_again
}

convert() {
    createdb moved
    edms_backup restore latest --into "$(url moved)" --into-files "$work/moved-files"
    mv "$work/moved-files/media" "$work/moved/media"
}

look_at_moved() {
    cp "$work/source-sqlite/answers-before.json" "$work/moved/answers-before.json"
    # Its sanity checker names files by their whole path.
    sed -i "s#$work/source-sqlite/media#$work/moved/media#g" "$work/moved/answers-before.json"
    look_again
}

# Needs the snapshot of the source on SQLite, whose settings are in use.
convert_stage() {
    mkdir -p "$work/moved/data/index" "$work/moved/data/log" "$work/moved/consume"
    step "sqlite to postgresql: restore --into" convert
    use moved postgresql
    step "sqlite to postgresql: paperless's own checks" own_checks
    step "sqlite to postgresql: the same references" run references.py same "$work/source-sqlite/references-before.json"
    step "sqlite to postgresql: look, and work on" look_at_moved
}

merge_once() { edms_backup merge "$(cat "$work/snapshot-$engine")" --on-conflict keep --rename-files --yes; }

untouched_and_right() {
    run references.py merged "$work/source-$engine/references-before.json" "$home/references-before.json"
}

merge_again() {
    copy_database merged
    compare folder "$PAPERLESS_MEDIA_ROOT" --write "$home/files-merged.json"
    merge_once
    compare databases "$(copied merged)" "$database"
    compare folder "$PAPERLESS_MEDIA_ROOT" --against "$home/files-merged.json"
}

# Paperless counts out the tree of tags in columns of its own, as it does whenever somebody saves a tag (django-treenode). A tag
# of both systems has the children of both now.
count_the_tree_anew() {
    manage shell --verbosity 0 -c 'from documents.models import Tag; Tag.update_tree()'
    run references.py tree
}

# Its sanity checker must find no more than it did in both systems before.
sane_after() {
    reindex
    run look.py --output "$home/answers-merged.json"
    run references.py sanity "$work/source-$engine/answers-before.json" "$home/answers-before.json" "$home/answers-merged.json"
}

# A generated column of documents_customfieldinstance uses REGEXP, which only Django's own connections have (docs/merge.md).
refused_by_name() {
    if merge_once > "$home/refused" 2>&1; then echo "it was not refused"; exit 1; fi
    grep -q 'documents.CustomFieldInstance .* REGEXP' "$home/refused"
    same_as_before
}

merge_stage() {
    use "target-$engine" "$engine"
    step "$engine: another one, filled" make_filled --documents "$((documents / 2 < 40 ? 40 : documents / 2))" --label B --seed 2
    step "$engine: look at it" write_down_before
    step "$engine: init" init "$engine"
    if [ "$engine" = sqlite ]; then
        step "$engine: a merge is refused, and changes nothing" refused_by_name
        return
    fi
    step "$engine: merge" merge_once
    step "$engine: each reference right, target untouched" untouched_and_right
    step "$engine: the tree of tags, counted anew" count_the_tree_anew
    step "$engine: paperless's own checks" own_checks
    step "$engine: its sanity checker" sane_after
    step "$engine: a second merge writes nothing" merge_again
}

step "take the source" take_source
step "install what it needs" install_needed
start_postgres
export PYTHONPATH=$site:$here/inside:$source/src PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore DJANGO_SETTINGS_MODULE=paperless.settings
export PAPERLESS_SECRET_KEY=the-secret-key-of-the-test PAPERLESS_SCRATCH_DIR=$work/tmp PAPERLESS_STATICDIR=$work/tmp
export PAPERLESS_DBHOST=$PG_HOST PAPERLESS_DBPORT=$PG_PORT PAPERLESS_DBUSER=$PG_USER PAPERLESS_DBPASS=$PG_PASSWORD
# Its interface gives out some sets in the order of their hashes.
export PYTHONHASHSEED=0
# What would need Redis; both are paperless's own settings.
export PAPERLESS_CACHE_BACKEND=django.core.cache.backends.locmem.LocMemCache
export PAPERLESS_CHANNELS_BACKEND=channels.layers.InMemoryChannelLayer

backup() {
    edms_backup backup --json > "$home/backup.json" || { cat "$home/backup.json"; exit 1; }
    "$ours/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["snapshot"])' "$home/backup.json" | tee "$work/snapshot-$engine"
}

for engine in $engines; do
    use "source-$engine" "$engine"
    step "$engine: fill with $documents documents" make_filled --documents "$documents" --label A --seed 1
    step "$engine: look at it as people do" write_down_before
    step "$engine: init" init "$engine"
    step "$engine: backup" backup
    case " $stages " in *" restore "*) restore_stage ;; esac
    if [ "$engine" = sqlite ]; then
        case " $stages " in *" convert "*) convert_stage; use source-sqlite sqlite ;; esac
    fi
    case " $stages " in *" merge "*) merge_stage ;; esac
done
proved "paperless-ngx $VERSION: $stages, on $engines"
