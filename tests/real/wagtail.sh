#!/usr/bin/env bash
# A site made with Wagtail, from its public package: filled, backed up, lost, restored, compared to the last column and byte,
# on SQLite and on PostgreSQL; moved from each engine to the other; merged into another filled site; one deleted page back.
#
#   tests/real/wagtail.sh [--keep] [--pages N] [--environment DIR] [--engines "sqlite postgresql"] [--only STAGES]
#
#   --keep             leave the folder with everything in it; the database server is stopped all the same
#   --pages N          how many articles to fill it with; 60
#   --environment DIR  install Wagtail there, or use it if it is there, instead of in the temporary folder
#   --engines LIST     sqlite, postgresql or both
#   --only STAGES      restore, convert or merge, or several of them; all
#
# Nothing but this repository's .venv is needed (make venv): Wagtail gets an environment and a PostgreSQL server of its own,
# in a temporary folder. Exit code 0 means that no difference was found.
set -euo pipefail

VERSION=8.0.1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/two_engines.sh"
keep= pages=60 environment=
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes; shift ;;
        --pages) pages=$2; shift 2 ;;
        --environment) environment=$2; shift 2 ;;
        --engines) engines=$2; shift 2 ;;
        --only) stages=$2; shift 2 ;;
        *) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
    esac
done
check_engines_and_stages
[ "$pages" -ge 40 ] || { echo "error: --pages must be 40 or more: the traps need some" >&2; exit 2; }
name=wagtail
. "$here/steps.sh"

# A copy, so that Wagtail's Python leaves nothing in the repository.
site=$work/site
cp -r "$here/wagtail" "$site"
cp "$here"/inside/*.py "$site"
environment=${environment:-$work/wagtail-venv}

install_wagtail() {
    # The mark comes last, so that an installation that was cut off is done again.
    if [ ! -e "$environment/wagtail-is-installed" ]; then
        "${PYTHON:-python3}" -m venv "$environment"
        "$environment/bin/python" -m pip install --quiet "wagtail==$VERSION" "Django==5.2.*" "psycopg[binary]==3.3.*"
        touch "$environment/wagtail-is-installed"
    fi
    "$environment/bin/python" -c '
import sys; from importlib.metadata import version
print("Wagtail", version("wagtail"), "on Django", version("django"), "and Python", sys.version.split()[0])'
}

nothing_rebuilt=yes

run() { (cd "$site" && "$environment/bin/python" "$@"); }
manage() { run manage.py "$@"; }

address_system() {
    media=$home/media
    export SITE_MEDIA=$media SITE_DATABASE=$database
    [ "$engine" = postgresql ] || export SITE_DATABASE=sqlite://$database
    edms_backup_env=("EDMS_BACKUP__EDMS__ENV__SITE_MEDIA=$SITE_MEDIA" "EDMS_BACKUP__EDMS__ENV__SITE_DATABASE=$SITE_DATABASE")
}

make_filled() {
    mkdir -p "$media"
    [ "$engine" = sqlite ] || createdb "$system"
    [ -e "$site/press/migrations" ] || manage makemigrations press --verbosity 0
    manage migrate --verbosity 0
    run populate.py "$@" | tee "$home/filled"
    # Pages make their renditions when somebody sees them for the first time.
    run look.py --output "$home/first-look.json"
    tail -n 1 "$home/filled"
}

# init_here REPOSITORY OPTIONS…: what `init` writes for it, and what the site declares of its own models.
init_here() {
    edms_backup init --project "$site" --settings press.settings --python "$environment/bin/python" \
        --repository "$work/repository-$1" "${@:2}"
}
init_with_profile() {
    init_here "$1"
    cat "$site/site.toml" >> "$settings_file"
}

# What a merge without the profile leaves undeclared: the profile, and what the site says of itself.
profile=$work/wagtail-and-site.toml
cat "$root/deployments/profiles/wagtail.toml" "$site/site.toml" > "$profile"

write_down_before() {
    run look.py --output "$home/answers-before.json" | tee "$home/look"
    run references.py describe --output "$home/references-before.json"
    copy_database before
    compare folder "$media" --write "$home/files-before.json"
    cat "$home/look"
}

one_change() { echo "UPDATE wagtailcore_page SET title = 'other' WHERE id = (SELECT max(id) FROM wagtailcore_page)"; }

own_checks() {
    none_of_ours
    manage check --database default
    manage migrate --check
    manage makemigrations --check --dry-run
    echo "checked, and no migration is missing"
}

look_again() {
    run look.py --output "$home/answers-after.json" --write
    cmp "$home/answers-before.json" "$home/answers-after.json"
    echo "$(wc -c < "$home/answers-before.json") bytes of pages, drafts and searches are the same; work goes on"
}

# What only the page shows is brought by name: rows that it refers to come alone, without what hangs on them.
bring_one_back() {
    edms_backup merge "$(cat "$work/snapshot-$engine")" --only wagtailcore.Page:slug=to-be-deleted --with-dependents --dry-run > "$home/only-the-page" || {
        cat "$home/only-the-page"; exit 1; }
    grep '^. Left behind: [0-9]* rows of wagtailimages.Rendition ' "$home/only-the-page"
    edms_backup merge "$(cat "$work/snapshot-$engine")" --only wagtailcore.Page:slug=to-be-deleted --only "wagtailimages.Image:title=A held *" \
        --only "wagtaildocs.Document:title=A held *" --with-dependents --on-conflict keep --yes
}

# What the deletion is compared with, under names of its own.
write_down_one() {
    run look.py --output "$home/answers-one.json"
    run references.py describe --output "$home/references-one.json"
    compare folder "$media" --write "$home/files-one.json"
}

# The deletion's own entries in the log stay.
same_but_for_the_log() {
    compare folder "$media" --against "$home/files-one.json"
    run references.py same "$home/references-one.json" --but wagtailcore.PageLogEntry wagtailcore.ModelLogEntry
}

same_answers() {
    run look.py --output "$home/answers-again.json"
    cmp "$home/answers-one.json" "$home/answers-again.json"
    echo "$(wc -c < "$home/answers-one.json") bytes of pages, drafts and searches are the same"
}

one_page_stage() {
    step "$engine: write down what is there now" write_down_one
    step "$engine: delete one page and what it shows" run delete_one.py
    step "$engine: merge --only … --with-dependents" bring_one_back
    step "$engine: each row and file is there again" same_but_for_the_log
    step "$engine: look at it again" same_answers
}

answers_of_both() {
    run look.py --output "$home/answers-merged.json"
    run look.py --compare "$work/source-$engine/answers-before.json" "$home/answers-before.json" "$home/answers-merged.json"
}

merge_stage() {
    use "target-$engine" "$engine"
    step "$engine: another one, filled" make_filled --pages "$((pages / 2))" --label B --seed 2
    step "$engine: look at it" write_down_before
    step "$engine: take the keys" take_keys
    step "$engine: init" init_with_profile "$engine"
    step "$engine: a merge without the profile" refused_without_profile
    step "$engine: merge" merge_once
    step "$engine: each reference right, target untouched" untouched_and_right
    step "$engine: pages of both, drafts, search, trees" answers_of_both
    step "$engine: its own checks" own_checks
    step "$engine: a second merge writes nothing" merge_again
}

step "install Wagtail" install_wagtail
start_postgres
export PYTHONPATH=$site PYTHONDONTWRITEBYTECODE=1 PYTHONWARNINGS=ignore DJANGO_SETTINGS_MODULE=press.settings PYTHONHASHSEED=0

for engine in $engines; do
    use "source-$engine" "$engine"
    step "$engine: fill with $pages articles" make_filled --pages "$pages" --label A --seed 1
    step "$engine: look at it as people do" write_down_before
    step "$engine: init" init_with_profile "$engine"
    step "$engine: backup" backup
    if wanted merge; then step "$engine: backup without the profile" backup_without_profile; fi
    if wanted restore; then
        restore_stage --pages 40 --label B --seed 2
        one_page_stage
    fi
    if wanted convert; then convert_stage; fi
    if wanted merge; then merge_stage; fi
done
proved "Wagtail $VERSION: $stages, on $engines"
