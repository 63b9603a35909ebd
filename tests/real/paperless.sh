#!/usr/bin/env bash
# paperless-ngx, unchanged, from its public repository: filled, backed up, lost, restored, compared to the last column and
# byte, on SQLite and on PostgreSQL; moved from one engine to the other; merged into another filled paperless-ngx; what its own
# exporter writes converted and restored.
#
#   tests/real/paperless.sh [--keep] [--documents N] [--environment DIR] [--engines "sqlite postgresql"] [--only STAGES]
#
#   --keep             leave the folder with everything in it; the database server is stopped all the same
#   --documents N      how many documents to fill it with; 1000
#   --environment DIR  install what paperless-ngx needs there, or use it if it is there, instead of in the temporary folder
#   --engines LIST     sqlite, postgresql or both
#   --only STAGES      restore, convert, merge or export, or several of them; all
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
. "$here/two_engines.sh"
stages="$stages export" known_stages="$known_stages export"
keep= documents=1000 environment=
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes; shift ;;
        --documents) documents=$2; shift 2 ;;
        --environment) environment=$2; shift 2 ;;
        --engines) engines=$2; shift 2 ;;
        --only) stages=$2; shift 2 ;;
        *) sed -n '2,19s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
[ "$documents" -ge 40 ] || { echo "error: --documents must be 40 or more: the traps need some" >&2; exit 2; }
check_engines_and_stages
name=paperless
. "$here/steps.sh"

# A copy, so that paperless's Python leaves nothing in the repository.
site=$work/site
mkdir "$site"
cp "$here"/paperless/*.py "$here"/inside/*.py "$site"
environment=${environment:-$work/paperless-venv}
source=${SOURCE:-$work/source}

profile=$root/deployments/profiles/paperless-ngx.toml

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

address_system() {
    media=$home/media
    export PAPERLESS_DATA_DIR=$home/data PAPERLESS_MEDIA_ROOT=$media PAPERLESS_CONSUMPTION_DIR=$home/consume
    export PAPERLESS_DBENGINE=$engine PAPERLESS_DBNAME=$system
    mkdir -p "$home/data/index" "$home/data/log" "$home/consume"
    edms_backup_env=()
    local variable
    for variable in $(compgen -v PAPERLESS_); do
        edms_backup_env+=("EDMS_BACKUP__EDMS__ENV__$variable=${!variable}")
    done
}

# paperless's own commands, in its environment.
manage() { (cd "$source/src" && "$environment/bin/python" manage.py "$@"); }
run() { (cd "$site" && "$environment/bin/python" "$@"); }

# The search index is made from the database; it is no part of a backup.
reindex() { manage document_index reindex --skip-checks --no-progress-bar --heap-size-mb 64; }

make_filled() {
    mkdir -p "$media" "$home/data/index" "$home/data/log"
    [ "$engine" = sqlite ] || createdb "$system"
    manage migrate --skip-checks
    run populate.py "$@" | tee "$home/filled"
    reindex
    tail -n 1 "$home/filled"
}

# init_here REPOSITORY OPTIONS…: what `init` writes for it.
init_here() {
    edms_backup init --project "$source/src" --settings paperless.settings --python "$environment/bin/python" \
        --repository "$work/repository-$1" "${@:2}"
}

write_down_before() {
    run look.py --output "$home/answers-before.json" | tee "$home/look"
    run references.py describe --output "$home/references-before.json"
    copy_database before
    # Paperless makes it anew when it writes; as a lock file it is left out of snapshots.
    rm "$media/media.lock"
    compare folder "$media" --write "$home/files-before.json"
    cat "$home/look"
}

one_change() { echo "UPDATE documents_document SET added = (SELECT max(added) FROM documents_document) WHERE id = 1"; }

own_checks() {
    none_of_ours
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

# Paperless counts out the tree of tags in columns of its own, as it does whenever somebody saves a tag (django-treenode). A tag
# of both systems has the children of both now.
count_the_tree_anew() {
    manage shell --verbosity 0 -c 'from documents.models import Tag; Tag.update_tree()'
    run checks.py tree
}

# Its sanity checker must find no more than it did in both systems before.
sane_after() {
    reindex
    run look.py --output "$home/answers-merged.json"
    run checks.py sanity "$work/source-$engine/answers-before.json" "$home/answers-before.json" "$home/answers-merged.json"
}

merge_stage() {
    use "target-$engine" "$engine"
    step "$engine: another one, filled" make_filled --documents "$((documents / 2 < 40 ? 40 : documents / 2))" --label B --seed 2
    step "$engine: look at it" write_down_before
    step "$engine: take the keys" take_keys
    step "$engine: init" init_here "$engine"
    step "$engine: a merge without the profile" refused_without_profile
    step "$engine: merge" merge_once
    step "$engine: each reference right, target untouched" untouched_and_right
    step "$engine: the tree of tags, counted anew" count_the_tree_anew
    step "$engine: its own checks" own_checks
    step "$engine: its sanity checker" sane_after
    step "$engine: a second merge writes nothing" merge_again
}

# Its exporter stops at the first document whose file is missing, or whose title makes too long a name.
without_what_it_stops_at() {
    manage shell --verbosity 0 -c '
from documents.models import Document
for one in Document.global_objects.all():
    if not one.source_path.is_file():
        thumbnail = one.thumbnail_path  # it is named by the id, which a deleted row has no more
        one.hard_delete()
        thumbnail.unlink(missing_ok=True)
    elif len(one.title) > 40:
        Document.global_objects.filter(pk=one.pk).update(title=one.title[:40])'
}

convert_export() {
    local code=0
    edms_backup_env+=("EDMS_BACKUP__CONVERT__PASSPHRASE=secret")
    edms_backup convert "$exported" --json > "$home/converted.json" || code=$?
    "$ours/python" -c '
import json, sys
said = json.load(open(sys.argv[1]))
for one in said["findings"]:
    print(one["severity"], one["code"], one["subject"], one.get("count"), one["message"][:200])
open(sys.argv[2], "w").write(said["snapshot"])' "$home/converted.json" "$home/converted" || cat "$home/converted.json"
    return $code
}

exported_and_back() {
    "$ours/python" "$here/paperless/exported_rows.py" "$database" "$home/back.sqlite3"
    # In some forms its exporter gives thumbnails of a PDF and a PNG of one stem one name: convert must have said how many are gone.
    diff -r "$media/documents" "$home/back-files/media/documents" > "$home/differing" || true
    "$ours/python" -c '
import json, sys
said = json.load(open(sys.argv[1]))["findings"]
gone = sum(one["count"] for one in said if one["code"] == "old-files-not-exported" and one["subject"] == "thumbnails")
differing = open(sys.argv[2]).read().splitlines()
print(*differing, sep="\n", end="\n" if differing else "")
thumbnails = [one for one in differing if one.startswith(f"Only in {sys.argv[3]}/documents/thumbnails: ")]
sys.exit(f"{len(differing)} files differ, {gone} were named" if len(thumbnails) != gone or len(differing) != gone else 0)
' "$home/converted.json" "$home/differing" "$media"
    echo "all other files are the same"
}

# What paperless's own exporter writes, in several forms, becomes a snapshot; restored, it is what was exported.
export_stage() {
    local forms=("--split-manifest --use-folder-prefix" "--zip --zip-name whole --use-filename-format" "--passphrase secret") form
    step "$engine: what its exporter stops at" without_what_it_stops_at
    for form in "${forms[@]}"; do
        rm -rf "$home/exported" "$home/back.sqlite3" "$home/back-files"
        mkdir "$home/exported"
        exported=$home/exported
        # shellcheck disable=SC2086
        step "$engine: document_exporter ${form%% *}" manage document_exporter "$exported" $form --no-progress-bar
        [ ! -e "$exported/whole.zip" ] || exported=$exported/whole.zip
        step "$engine: convert it" convert_export
        step "$engine: restore it" edms_backup restore "$(cat "$home/converted")" --into "$home/back.sqlite3" --into-files "$home/back-files"
        step "$engine: every exported row and file" exported_and_back
    done
}

step "take the source" take_source
step "install what it needs" install_needed
start_postgres
export PYTHONPATH=$site:$source/src PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore DJANGO_SETTINGS_MODULE=paperless.settings
export PAPERLESS_SECRET_KEY=the-secret-key-of-the-test PAPERLESS_SCRATCH_DIR=$work/tmp PAPERLESS_STATICDIR=$work/tmp
export PAPERLESS_DBHOST=$PG_HOST PAPERLESS_DBPORT=$PG_PORT PAPERLESS_DBUSER=$PG_USER PAPERLESS_DBPASS=$PG_PASSWORD
# Its interface gives out some sets in the order of their hashes.
export PYTHONHASHSEED=0
# What would need Redis; both are paperless's own settings.
export PAPERLESS_CACHE_BACKEND=django.core.cache.backends.locmem.LocMemCache
export PAPERLESS_CHANNELS_BACKEND=channels.layers.InMemoryChannelLayer

for engine in $engines; do
    use "source-$engine" "$engine"
    step "$engine: fill with $documents documents" make_filled --documents "$documents" --label A --seed 1
    step "$engine: look at it as people do" write_down_before
    step "$engine: init" init_here "$engine"
    step "$engine: backup" backup
    if wanted merge; then step "$engine: backup without the profile" backup_without_profile; fi
    if wanted restore; then restore_stage --documents 40 --label B --seed 2; fi
    if wanted convert && [ "$engine" = sqlite ]; then convert_stage; fi
    if wanted merge; then merge_stage; fi
    if wanted export && [ "$engine" = sqlite ]; then
        use "source-$engine" "$engine"
        export_stage
    fi
done
proved "paperless-ngx $VERSION: $stages, on $engines"
