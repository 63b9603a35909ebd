# The frame of the scripts that try a real system: steps with a log each, a folder that goes away again, a PostgreSQL server.
# Sourced, not run. The script sets $name (for the folder), $root and $keep, and ends with `proved TEXT`.

ours=$root/.venv/bin
[ -x "$ours/edms-backup" ] || { echo "error: there is no $ours/edms-backup; run make venv" >&2; exit 2; }
work=$(mktemp -d "${TMPDIR:-/tmp}/edms-backup-$name-XXXXXX")
logs=$work/logs
mkdir "$logs" "$work/tmp"
server=
began=$SECONDS

clean_up() {
    local code=$?
    if [ -n "$server" ]; then
        exec 9>&-
        wait "$server" || true
    fi
    if [ "$code" -ne 0 ]; then
        echo "✗ FAILED after $((SECONDS - began)) s"
        [ -z "${step_log:-}" ] || { echo "  the end of what \"$step_name\" said:"; tail -n 25 "$step_log" | sed 's/^/  | /'; }
    fi
    if [ -n "$keep" ]; then
        echo "kept      $work"
    else
        rm -rf "$work"
    fi
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# step NAME COMMAND...: run it, its output into a log of its own, and say how long it took.
step() {
    step_name=$1
    shift
    step_log=$logs/$(printf '%02d' "$(find "$logs" -type f | wc -l)")-${step_name//[^a-zA-Z0-9]/-}.log
    local start=$SECONDS code=0
    printf '%-44s' "$step_name"
    # Not as a condition: there `set -e` would not count, and a check that fails in the middle would go unseen.
    set +e
    (set -e; "$@") > "$step_log" 2>&1
    code=$?
    set -e
    if [ "$code" -ne 0 ]; then
        printf '%5d s  ✗\n' $((SECONDS - start))
        exit 1
    fi
    printf '%5d s  ✓  %s\n' $((SECONDS - start)) "$(verdict "$step_log")"
}

# What a step came to: the last line that says so itself, or else the last line.
verdict() {
    { grep '^✓' "$1" || cat "$1"; } | tail -n 1 | sed 's/^✓ //' | cut -c 1-150
}

# A PostgreSQL server of our own, for as long as this script runs; its facts are in $PG_HOST and so on.
start_postgres() {
    mkfifo "$work/alive"
    (cd "$root" && exec "$ours/python" -m tests.real.serve_postgres "$work/postgres.env") < "$work/alive" > "$logs/postgres" 2>&1 &
    server=$!
    # The server stays as long as this end is open, however this script ends.
    exec 9> "$work/alive"
    step "start PostgreSQL" wait_for_postgres
    . "$work/postgres.env"
    export PATH=$PG_BIN:$PATH PGHOST=$PG_HOST PGPORT=$PG_PORT PGUSER=$PG_USER PGPASSWORD=$PG_PASSWORD
}

wait_for_postgres() {
    until [ -e "$work/postgres.env" ]; do
        kill -0 "$server"
        sleep 0.2
    done
    . "$work/postgres.env"
    echo "$PG_VERSION"
}

url() { echo "postgresql://$PG_USER:$PG_PASSWORD@$PG_HOST:$PG_PORT/$1"; }
compare() { (cd "$root" && env -u PYTHONPATH "$ours/python" -m tests.real.compare "$@"); }
# Ours, as a person would run it: from a folder of its own, with nothing of the EDMS's in the environment but $edms_backup_env.
edms_backup_env=()
settings_file=$work/edms-backup.toml
edms_backup() {
    (cd "$work" && env -i PATH="$PATH" HOME="$work" LANG=C.UTF-8 "${edms_backup_env[@]}" \
        "$ours/edms-backup" "$1" -c "$settings_file" "${@:2}")
}

proved() {
    step_log=
    # The second line is what all programs together used of the processors; the database server is not in it. Not in `$(…)`,
    # which would count from zero.
    times > "$work/times"
    echo "✓ PROVED in $((SECONDS - began)) s (processor time $(sed -n 2p "$work/times")): $*"
}
