# What the scripts share that try a real system on SQLite and on PostgreSQL: one system after the other is filled, written
# down, lost, restored, moved and merged. Sourced after steps.sh, which it builds on.
#
# The script says what is particular to its system:
#   address_system   exports what the system reads of $system, $engine, $home and $database; sets $media and edms_backup_env
#   make_filled …    sets the system up, empty, and fills it
#   init_here NAME   writes $settings_file, with the repository of that name
#   run FILE …       runs a script of ours in the system's Python
#   one_change       prints SQL that changes one value
#   own_checks, look_again   the system's own checks; its answers, compared to $home/answers-before.json

# What the system writes into its folder at each start, whoever starts it: options of `compare folder`.
own_writing=()
# A script that has more stages adds them to both.
engines="sqlite postgresql" stages="restore convert merge"
known_stages=$stages

# Of what the command line asked for.
check_engines_and_stages() {
    local one
    for one in $engines; do
        case $one in sqlite | postgresql) ;; *) echo "error: --engines takes sqlite and postgresql, not $one" >&2; exit 2 ;; esac
    done
    for one in $stages; do
        case " $known_stages " in *" $one "*) ;; *) echo "error: --only takes $known_stages, not $one" >&2; exit 2 ;; esac
    done
    [ -n "$engines" ] && [ -n "$stages" ] || { echo "error: name an engine and a stage" >&2; exit 2; }
}

wanted() { case " $stages " in *" $1 "*) true ;; *) false ;; esac; }

# use NAME ENGINE: the system that all that follows is about.
use() {
    system=$1 engine=$2
    home=$work/$system
    mkdir -p "$home/data"
    if [ "$engine" = sqlite ]; then database=$home/data/db.sqlite3; else database=$(url "$system"); fi
    settings_file=$home/edms-backup.toml
    address_system
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

backup() {
    edms_backup backup --json > "$home/backup.json" || { cat "$home/backup.json"; exit 1; }
    "$ours/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["snapshot"])' "$home/backup.json" | tee "$work/snapshot-$engine"
}

# The comparison itself is tried: one value in one row, and it must say so.
try_comparison() {
    copy_database tampered
    if [ "$engine" = sqlite ]; then
        "$ours/python" -c 'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()' "$(copied tampered)" "$(one_change)"
    else
        psql -q -v ON_ERROR_STOP=1 "$system-tampered" -c "$(one_change)"
    fi
    compare databases "$(copied before)" "$(copied tampered)" | tee "$home/tried" || true
    grep -q ' rows: 1 differences$' "$home/tried"
    echo "it sees one changed value"
}

same_as_before() {
    compare folder "$media" --against "$home/files-before.json" | tee "$home/files-compared"
    compare databases "$(copied before)" "$database" > "$home/rows-compared" || { cat "$home/rows-compared"; exit 1; }
    echo "$(cat "$home/rows-compared"); $(tail -n 1 "$home/files-compared")"
}

# lose_everything OPTIONS…: drop it, and set it up anew with other rows.
lose_everything() {
    if [ "$engine" = sqlite ]; then rm -r "$home/data"; mkdir "$home/data"; else dropdb "$system"; fi
    rm -r "$media"
    make_filled "$@"
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
    echo "taken down and brought back by pg_dump and pg_restore"
}

# With $nothing_rebuilt, tables that the EDMS could make anew are not, so that they too can be compared as they came back.
restore_in_place() {
    [ -z "${nothing_rebuilt:-}" ] || edms_backup_env+=("EDMS_BACKUP__DERIVED__REBUILD=[]")
    edms_backup restore latest --yes
}

# restore_stage OPTIONS…: the options fill the system that stands there when it is lost.
restore_stage() {
    step "$engine: the comparison is tried" try_comparison
    step "$engine: doctor" edms_backup doctor
    step "$engine: nothing was changed by it" same_as_before
    step "$engine: lose everything, set up anew" lose_everything "$@"
    step "$engine: restore latest --yes" restore_in_place
    [ "$engine" = sqlite ] || step "$engine: what pg_restore would bring back" as_postgres_brings_it_back
    step "$engine: every table, column, row, file" same_as_before
    step "$engine: its own checks" own_checks
    step "$engine: the same references" run references.py same "$home/references-before.json"
    step "$engine: look again, and work on" look_again
}

# Of the last snapshot of the system that is in use, into a database and folder of the other engine.
convert() {
    [ "$1" = sqlite ] || createdb "moved-$1"
    edms_backup restore "$(cat "$work/snapshot-$engine")" --into "$2" --into-files "$3-files"
    mv "$3-files/media" "$3/media"
}

convert_stage() {
    local from=$engine to=postgresql origin=$home moved into
    [ "$from" = sqlite ] || to=sqlite
    moved=$work/moved-$to
    mkdir -p "$moved/data"
    if [ "$to" = sqlite ]; then into=sqlite:///$moved/data/db.sqlite3; else into=$(url "moved-$to"); fi
    step "$from to $to: restore --into" convert "$to" "$into" "$moved"
    use "moved-$to" "$to"
    cp "$origin/answers-before.json" "$home/answers-before.json"
    # Some answers name files by their whole path.
    sed -i "s#$origin/media#$work/moved-$to/media#g" "$home/answers-before.json"
    step "$from to $to: its own checks" own_checks
    step "$from to $to: the same references" run references.py same "$origin/references-before.json"
    step "$from to $to: look, and work on" look_again
    use "source-$from" "$from"
}

merge_once() { edms_backup merge "$(cat "$work/snapshot-$engine")" --on-conflict keep --rename-files --yes; }

untouched_and_right() {
    run references.py merged "$work/source-$engine/references-before.json" "$home/references-before.json"
}

merge_again() {
    copy_database merged
    compare folder "$media" --write "$home/files-merged.json"
    merge_once
    compare databases "$(copied merged)" "$database"
    compare folder "$media" --against "$home/files-merged.json" "${own_writing[@]}"
}

# Snapshots are encrypted: whoever merges one needs the keys of its repository, under the name of the settings file.
take_keys() { cp "$work/source-$engine/$(basename "$settings_file" .toml)".*-key "$home"; }

# Without what the profile declares: a backup of the source, from settings of its own.
backup_without_profile() {
    settings_file=$home/without-profile.toml
    init_here "without-$engine" --profile none
    edms_backup backup --json > "$home/without-backup.json" || { cat "$home/without-backup.json"; exit 1; }
    "$ours/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["snapshot"])' "$home/without-backup.json" |
        tee "$work/snapshot-without-$engine"
}

# … and a merge of that snapshot, which must end in conflicts by name and change nothing. $profile is what was left out.
refused_without_profile() {
    settings_file=$home/without-profile.toml
    take_keys
    init_here "without-$engine" --profile none
    edms_backup doctor --json > "$home/without-doctor.json" || true
    edms_backup doctor --profile "$profile" --json > "$home/without-check.json" || { cat "$home/without-check.json"; exit 1; }
    local code=0
    edms_backup merge "$(cat "$work/snapshot-without-$engine")" --on-conflict keep --rename-files --yes --json > "$home/without-merge.json" || code=$?
    [ "$code" = 1 ] || { cat "$home/without-merge.json"; echo "its exit code was $code"; exit 1; }
    same_as_before
    (cd "$root" && env -u PYTHONPATH "$ours/python" -m tests.real.without_profile "$profile" --found "$home/without-check.json" \
        --doctor "$home/without-doctor.json" --merge "$home/without-merge.json")
}

# Nothing but this repository's programs may be needed by the system, and none of them.
none_of_ours() {
    run -c '
from importlib.util import find_spec
ours = [name for name in ("edms_tasks", "flows", "expectations", "prefect", "duckdb", "pyarrow") if find_spec(name)]
assert not ours, ours'
}
