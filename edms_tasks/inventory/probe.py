"""Runs inside the EDMS's own interpreter and describes the EDMS, with the standard library and Django only.

    python probe.py report --project DIR --settings MODULE --alias default --output FILE [--lookups]
    python probe.py run    --project DIR --settings MODULE --alias default --database NAME -- check
    python probe.py run    --project DIR --settings MODULE --alias default --another-engine -- migrate -- check
    python probe.py run    --project DIR --settings MODULE --alias default --copy

Python 3.8 and Django 3.2 are enough. The report goes to a file, because EDMS code prints to standard output. Nothing is written
to the EDMS: rows are read through `_base_manager`, no signal fires, nothing is saved. With `--lookups`, `get_by_natural_key` is
called with the rows' own keys, in a transaction that is rolled back.

The file is longer than others on purpose. It also runs as a text where none of our files are (`remote_probe.py`). Parts could not
import each other: their names would be among the modules of the EDMS and could hide them. They could only be joined as text,
which no checker would see before it runs. Its parts are `main` and the commands, `Copy` (database and folders of a drill), `Reporter`
(models and database), `Stores` (files that are in no folder), and `Surroundings` (folders of files).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import warnings

SAMPLE_ROWS = 60
DOCUMENT_BYTES = 1 << 20  # of JSON that the EDMS's own lookups may load for one model
SECONDS_FOR_A_LOCK = 10
LONGEST_PATH = 3
_LOCK_NOT_AVAILABLE = "55P03"
# The sessions that hold an exclusive lock on a table, or wait for one.
_HOLDERS = """
    SELECT l.relation::regclass::text, l.granted, a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed'),
           a.state, pg_catalog.left(pg_catalog.regexp_replace(a.query, '\\s+', ' ', 'g'), 120)
    FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation >= 16384
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    AND EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = l.relation AND c.relkind IN ('r', 'p'))
    ORDER BY l.granted DESC, 1, 3
"""
_LIBPQ_DEFAULTS = {
    "channel_binding": "prefer",
    "gssdelegation": "0",
    "krbsrvname": "postgres",
    "load_balance_hosts": "disable",
    "ssl_min_protocol_version": "TLSv1.2",
    "sslcertmode": "allow",
    "sslcompression": "0",
    "sslmode": "prefer",
    "sslnegotiation": "postgres",
    "sslsni": "1",
    "target_session_attrs": "any",
}


def main():
    # type: () -> None
    """Write the report, or run management commands, as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["report", "run"])
    parser.add_argument("--project", default="")
    parser.add_argument("--settings", default="")
    parser.add_argument("--alias", default="default")
    parser.add_argument("--output")
    parser.add_argument("--database")
    parser.add_argument("--another-engine", action="store_true")
    parser.add_argument("--from-models", action="store_true")
    parser.add_argument("--copy", action="store_true")
    parser.add_argument("--lookups", action="store_true")
    arguments, commands = sys.argv[1:], []
    while "--" in arguments:  # each -- begins a command of the EDMS with its options
        position = len(arguments) - 1 - arguments[::-1].index("--")
        arguments, commands = arguments[:position], [arguments[position + 1 :]] + commands
    options = parser.parse_args(arguments)
    # The probe's own folder must not shadow modules of the EDMS.
    sys.path[0] = options.project or os.getcwd()
    if options.settings:
        os.environ["DJANGO_SETTINGS_MODULE"] = options.settings

    import django

    if options.another_engine:
        use_another_engine(options.alias)
    copy = Copy(options.alias, json.loads(os.environ.pop("EDMS_BACKUP_COPY"))) if options.copy else None
    if copy:
        copy.use()
    django.setup()
    if copy:
        copy.run()
        return
    if options.from_models:
        forget_migrations(options.alias)
    if options.mode == "run":
        run_commands(options.alias, options.database, commands)
        return
    try:
        report = Reporter(options.alias, lookups=options.lookups).report()
    except TableHeld as held:
        report = {"held": held.who}
    # A number is the descriptor of a pipe.
    output = int(options.output) if options.output.isdigit() else options.output
    with open(output, "w", encoding="utf-8") as stream:
        # Not `dump`, which goes through all of it in Python.
        stream.write(json.dumps(report))


def use_another_engine(alias):
    # type: (str) -> None
    """Replace the alias's database setting (engine, login, name) before Django connects; for this process only.

    The setting comes in an environment variable, because every user of the machine can read arguments.
    """
    from django.conf import settings

    settings.DATABASES[alias].update(json.loads(os.environ.pop("EDMS_BACKUP_ANOTHER_DATABASE")))


def forget_migrations(alias):
    # type: (str) -> None
    """Let every app be one without migrations, for this process only; the table that records them is made all the same."""
    from django.apps import apps
    from django.conf import settings
    from django.db import connections
    from django.db.migrations.recorder import MigrationRecorder

    settings.MIGRATION_MODULES = {app.label: None for app in apps.get_app_configs()}
    MigrationRecorder(connections[alias]).ensure_schema()


def run_commands(alias, database, commands):
    # type: (str, str, list) -> None
    """Run management commands; with `database`, on that database in place of the alias's own."""
    from django.core.management import call_command

    if database:
        replace_name(alias, database)
    for command in commands:
        call_command(command[0], *command[1:])


def path_of_sqlite(name):
    # type: (object) -> str
    """The path in the NAME of an SQLite database, which may be a URI (https://www.sqlite.org/uri.html); "" for one in memory."""
    from urllib.parse import unquote

    path = str(name or "")
    if path == ":memory:":
        return ""
    if not path.startswith("file:"):
        return path
    path, _, query = path[len("file:") :].partition("#")[0].partition("?")
    if path.startswith("//"):  # an authority: none, or localhost
        path = "/" + path[2:].partition("/")[2]
    path = unquote(path)
    return "" if path in ("", ":memory:") or "mode=memory" in query.split("&") else path


def replace_name(alias, database):
    # type: (str, str) -> None
    """Connect the alias to another database of its server (SQLite: another file), for this process only."""
    from django.db import connections

    connection = connections[alias]
    if connection.vendor == "sqlite" and database != ":memory:":
        # A relative name is a file beside the live one, whose folder may have another path where the backup runs.
        live = path_of_sqlite(connection.settings_dict["NAME"])
        database = os.path.join(os.path.dirname(os.path.abspath(live)), database)
        if not os.path.exists(database):  # SQLite would create an empty one, and every check of it would pass
            sys.exit("The EDMS sees no file %s." % database)
    connection.close()
    if hasattr(connection, "close_pool"):  # a pool opened by an AppConfig.ready() has connections to the live database
        connection.close_pool()
    connection.settings_dict["NAME"] = database
    if connection.vendor != "postgresql":
        return
    options = connection.settings_dict.get("OPTIONS") or {}
    if "dbname" in options:  # in Django it wins over NAME
        options["dbname"] = database
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.current_database()")
        opened = cursor.fetchone()[0]
    if opened != database:
        sys.exit("The EDMS opened the database %s instead of %s." % (opened, database))


class Copy:
    """A copy of the EDMS's database and folders, in place of the live ones, for this process only.

    `use` comes before Django loads the EDMS's apps, whose code may read settings and rows at once. `run` makes sure that nothing
    that can be asked still leads to the live system, and runs the command.
    """

    def __init__(self, alias, asked):
        # type: (str, dict) -> None
        self.alias = alias
        self.database = asked["database"]
        self.words = asked["words"]
        folders = [(os.path.abspath(live), os.path.abspath(copy)) for live, copy in asked["folders"]]
        self.folders = sorted(folders, key=lambda pair: -len(pair[0]))  # of folders in each other the inner one first

    def use(self):
        # type: () -> None
        """Change the settings: database, folders, and what a command could reach other people by."""
        from django.conf import settings

        live = dict(settings.DATABASES[self.alias])
        for name, other in settings.DATABASES.items():
            if name == self.alias or _is_same_database(other, live):
                other["NAME"] = self.database
                if "dbname" in (other.get("OPTIONS") or {}):  # in Django it wins over NAME
                    other["OPTIONS"]["dbname"] = self.database
            else:
                make_read_only(other)
        for name in dir(settings):
            if name.endswith("BROKER_URL"):
                setattr(settings, name, "memory://")
            # A URL such as /media/ may be spelled like a folder.
            elif (
                name.isupper()
                and not name.endswith("_URL")
                and name not in ("DATABASES", "INSTALLED_APPS", "MIDDLEWARE")
            ):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # some of Django's settings warn when read
                    value = getattr(settings, name)
                moved = self._moved(value)
                if moved != value:
                    setattr(settings, name, moved)
        # The live system has its entries in the same cache, and its people get the e-mails.
        in_memory = "django.core.cache.backends.locmem.LocMemCache"
        settings.CACHES = {name: {"BACKEND": in_memory, "LOCATION": "drill-%s" % name} for name in settings.CACHES}
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        if hasattr(settings, "CHANNEL_LAYERS"):
            in_memory = "channels.layers.InMemoryChannelLayer"
            settings.CHANNEL_LAYERS = {name: {"BACKEND": in_memory} for name in settings.CHANNEL_LAYERS}
        settings.ALLOWED_HOSTS = list(settings.ALLOWED_HOSTS) + ["testserver", "localhost"]  # Django's test client

    def run(self):
        # type: () -> None
        """Run the command; ends the process if the EDMS still uses the live database or a live folder."""
        replace_name(self.alias, self.database)
        self._require_file()
        for who, storage in self._storages():
            self._move(who, storage)
        celery = sys.modules.get("celery")
        if celery is not None:  # a task that is queued would run on the live system
            urls = dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), "memory://")
            celery.current_app.conf.update(urls)
        run_words(self.words)

    def _moved(self, value):
        # type: (object) -> object
        """The value with paths of the copy in place of live ones, also inside lists and dictionaries."""
        if isinstance(value, (str, os.PathLike)):
            text = os.fspath(value)
            moved = self._moved_path(text) if isinstance(text, str) and os.path.isabs(text) else None
            return value if moved is None else type(value)(moved)  # type: ignore[call-arg]
        if type(value) is dict:
            return {key: self._moved(one) for key, one in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self._moved(one) for one in value)  # type: ignore[call-arg,attr-defined]
        return value

    def _moved_path(self, path):
        # type: (str) -> object
        """The path in the copy; None if it is in none of the live folders, under their own names or by links."""
        for spelled in (os.path.abspath(path), os.path.realpath(path)):
            for live, copy in self.folders:
                for root in (live, os.path.realpath(live)):
                    if spelled == root or spelled.startswith(root.rstrip(os.sep) + os.sep):
                        return os.path.join(copy, os.path.relpath(spelled, root)) if spelled != root else copy
        return None

    def _storages(self):
        # type: () -> object
        """(who, storage) of every file field, and of the EDMS's modules and classes."""
        from django.apps import apps
        from django.core.files.storage import FileSystemStorage, default_storage
        from django.db import models

        yield "the default storage", default_storage
        for model in apps.get_models(include_auto_created=True):
            for field in model._meta.local_fields:
                if isinstance(field, models.FileField):
                    yield "%s.%s" % (model._meta.label, field.name), field.storage
        for who, value in values_of_modules():
            if issubclass(type(value), FileSystemStorage):
                yield who, value

    def _move(self, who, storage):
        # type: (str, object) -> None
        """Point a storage that its code made with a fixed folder at the copy; ends the process if that does not help."""
        if self._folder_of(storage) is None:
            return
        inner = getattr(storage, "_wrapped", storage)
        moved = self._moved_path(str(self._folder_of(storage)))
        if moved is None:
            return
        for name in ("base_location", "location"):  # cached properties
            vars(inner).pop(name, None)
        inner._location = moved  # type: ignore[attr-defined]
        if self._moved_path(str(self._folder_of(storage))) is not None:
            sys.exit("The files of %s would be those of the live system: %s" % (who, self._folder_of(storage)))

    @staticmethod
    def _folder_of(storage):
        # type: (object) -> object
        from django.core.exceptions import ImproperlyConfigured

        try:
            return os.path.abspath(str(storage.path("")))  # type: ignore[attr-defined]
        except NotImplementedError:
            return None  # it is not a folder, and no part of a snapshot
        except ImproperlyConfigured:
            return None  # nobody uses it: some EDMSs have no default storage

    def _require_file(self):
        # type: () -> None
        """For SQLite: the file that is open is the copy's. Of PostgreSQL `replace_name` has asked the server."""
        from django.db import connections

        connection = connections[self.alias]
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA database_list")
                opened = next(row[2] for row in cursor.fetchall() if row[1] == "main")
            if not os.path.samefile(opened, self.database):
                sys.exit("The EDMS opened the database %s instead of %s." % (opened, self.database))


def _is_same_database(other, live):
    # type: (dict, dict) -> bool
    """Whether two aliases are one database, such as one for long queries."""
    keys = ("ENGINE", "NAME", "HOST", "PORT")
    return [str(other.get(key) or "") for key in keys] == [str(live.get(key) or "") for key in keys]


def _word_of_routers(action, model):
    # type: (str, type) -> object
    """What the first router with an opinion answers. Django's own `router` has one for all models: `default`."""
    from django.db import router

    for one in router.routers:
        chosen = getattr(one, action)(model) if hasattr(one, action) else None
        if chosen:
            return chosen
    return None


def make_read_only(database):
    # type: (dict) -> None
    """Let a database setting allow no writes: what a drill does must not reach another database of the EDMS."""
    options = database.setdefault("OPTIONS", {})
    if database["ENGINE"].endswith(("postgresql", "postgis", "postgresql_psycopg2")):
        before = options.get("options", "")
        options["options"] = (before + " -c default_transaction_read_only=on").strip()
    elif database["ENGINE"].endswith(("sqlite3", "spatialite")):
        path = path_of_sqlite(database["NAME"])
        if path:
            from urllib.parse import quote

            database["NAME"] = "file:%s?mode=ro" % quote(os.path.abspath(path))
            options["uri"] = True
    elif database["ENGINE"].endswith("mysql"):
        options["init_command"] = "SET SESSION TRANSACTION READ ONLY"


def run_words(words):
    # type: (list) -> None
    """Run `SCRIPT.py …`, `-c PROGRAM`, or a management command; `python` and `manage.py` may stand before it."""
    if len(words) > 1 and os.path.basename(words[0]).startswith("python"):
        words = words[1:]
    if len(words) > 1 and os.path.basename(words[0]) == "manage.py":
        words = words[1:]
    sys.argv = list(words)
    if words[0] == "-c":
        sys.argv = ["-c"] + words[2:]
        exec(compile(words[1], "<command>", "exec"), {"__name__": "__main__"})  # noqa: S102 - the administrator wrote it
    elif words[0].endswith(".py"):
        import runpy

        runpy.run_path(words[0], run_name="__main__")
    else:
        from django.core.management import call_command

        call_command(words[0], *words[1:])


def values_of_modules():
    # type: () -> object
    """(name, value) of everything in the modules of the EDMS's apps, and in the classes there."""
    from django.apps import apps

    own_apps = tuple(config.name for config in apps.get_app_configs() if not config.name.startswith("django."))
    for name, module in sorted(sys.modules.items()):
        if not any(name == app or name.startswith(app + ".") for app in own_apps):
            continue
        for holder in [module] + [one for one in list(vars(module).values()) if isinstance(one, type)]:
            for key, value in list(vars(holder).items()):
                yield "%s.%s" % (name, key), value


class TableHeld(Exception):
    """Another session has locked a table and did not release it in time; `who` describes such sessions."""

    def __init__(self, who):
        # type: (list) -> None
        super().__init__("; ".join(who))
        self.who = who


class Reporter:
    """Collects the report for one database alias."""

    def __init__(self, alias, lookups=False):
        # type: (str, bool) -> None
        from django.db import connections

        self.alias = alias
        self.lookups = lookups
        self.connection = connections[alias]
        self.findings = []  # type: list
        self.roots = {}  # type: dict
        self.stores = Stores()
        self.database_error = None  # type: object

    def report(self):
        # type: () -> dict
        """The whole report, in the form of `ProbeReport`; without the database's facts if it cannot be read or goes away."""
        from django.db import InterfaceError, OperationalError

        try:
            self._read_database()
        except Exception as error:
            self._give_up_database(error)
            return self._collect()
        try:
            return self._collect()
        except (InterfaceError, OperationalError) as error:
            if not _is_lost(error):
                raise
            self._give_up_database(error)
            return self._collect()

    def _give_up_database(self, error):
        # type: (Exception) -> None
        """Do not query the database any more, and drop what was found so far."""
        self.database_error = "%s: %s" % (type(error).__name__, str(error).strip())
        self.findings, self.roots, self.stores = [], {}, Stores()
        self.connection.close()

    def _collect(self):
        # type: () -> dict
        """The report; without the database's facts if `database_error` is set."""
        import django
        from django.apps import apps
        from django.conf import settings

        self._media_root()
        models = [self._model(model) for model in self._concrete_models()]
        surroundings = Surroundings(self.stores).report()
        self.stores.add_configured()
        loader, applied, known, leaves, unapplied = self._migrations()
        secret = hashlib.sha256(("edms-backup:" + str(settings.SECRET_KEY)).encode("utf-8")).hexdigest()[:16]
        return {
            "format": 1,
            "python": ".".join(str(part) for part in sys.version_info[:3]),
            "django": django.get_version(),
            "use_tz": bool(settings.USE_TZ),
            "settings_module": os.environ.get("DJANGO_SETTINGS_MODULE", ""),
            "databases": self._databases(),
            "models": models,
            "file_roots": [
                {"name": name, "path": path, "used_by": used_by} for name, path, used_by in self.roots.values()
            ],
            "stores": self.stores.report({name for name, _, _ in self.roots.values()}),
            "surroundings": surroundings,
            "migrations_applied": applied,
            "migrations_known": known,
            "migrations_leaves": leaves,
            "migrations_unapplied": unapplied,
            "migrations": self._graph(loader),
            "apps": sorted(config.label for config in apps.get_app_configs()),
            "secret_key_fingerprint": secret,
            "database_error": self.database_error,
            "findings": self.findings,
        }

    def _read_database(self):
        # type: () -> None
        """Check that the database can be read. SQLite creates a missing file on connecting, and opens a file only on reading."""
        path = self._sqlite_path(self.connection)
        if path and not os.path.exists(path):
            raise OSError("there is no file %s" % path)
        self.connection.introspection.table_names()

    def _patiently(self, read):
        # type: (object) -> object
        """Call `read` and return its result; on PostgreSQL raise TableHeld if a table is locked for too long."""
        from django.db import Error, transaction

        if self.connection.vendor != "postgresql":
            return read()
        try:
            with transaction.atomic(using=self.alias):
                with self.connection.cursor() as cursor:
                    # LOCAL: behind a pooler another client gets the session after this transaction.
                    cursor.execute("SET LOCAL lock_timeout = '%ds'" % SECONDS_FOR_A_LOCK)
                return read()
        except Error as error:
            if not _is_held(error):
                raise
        with self.connection.cursor() as cursor:
            cursor.execute(_HOLDERS)
            raise TableHeld([_holder(row) for row in cursor.fetchall()])

    def _sqlite_path(self, connection):
        # type: (object) -> str
        """The path of an SQLite database; "" for one in memory and for other engines."""
        path = path_of_sqlite(connection.settings_dict.get("NAME")) if connection.vendor == "sqlite" else ""
        # Absolute, because a relative name is relative to the project, the working folder of this process.
        return os.path.abspath(path) if path else ""

    def finding(self, code, severity, subject, message, fix=""):
        # type: (str, str, str, str, str) -> None
        """Add a finding."""
        self.findings.append({"code": code, "severity": severity, "subject": subject, "message": message, "fix": fix})

    # -- databases and folders of files ----------------------------------------------------------------------------

    def _databases(self):
        # type: () -> list
        from django.db import connections

        aliases = [self.alias] + [alias for alias in connections if alias != self.alias]
        databases = []
        for alias in aliases:
            connection = connections[alias]
            values = connection.settings_dict
            address = {
                "name": self._sqlite_path(connection) or str(values.get("NAME") or ""),
                "user": str(values.get("USER") or ""),
                "password": str(values.get("PASSWORD") or ""),
                "host": str(values.get("HOST") or ""),
                "port": str(values.get("PORT") or ""),
                "options": _texts(values.get("OPTIONS") or {}),
            }
            if connection.vendor == "postgresql" and alias == self.alias and self.database_error is None:
                address = self._as_connected(address)
            databases.append(
                {
                    "alias": alias,
                    "vendor": connection.vendor,
                    "engine": values.get("ENGINE") or "",
                    "time_zone": str(connection.timezone_name),
                    "copy_of_first": alias != self.alias and self._is_copy(alias),
                    **address,
                }
            )
        return databases

    def _is_copy(self, alias):
        # type: (str) -> bool
        """Whether an alias has no rows of its own: the same database, a replica of it, a database in memory, or none at all."""
        from django.db import connections

        live, other = connections[self.alias], connections[alias]
        mirrored = (other.settings_dict.get("TEST") or {}).get("MIRROR")
        paths = [self._sqlite_path(one) for one in (live, other)]
        return (
            mirrored == self.alias
            or _is_same_database(other.settings_dict, live.settings_dict)
            or (paths[0] != "" and os.path.realpath(paths[0]) == os.path.realpath(paths[1]))
            or str(other.settings_dict.get("ENGINE")).endswith(".dummy")
            or (other.vendor == "sqlite" and other.is_in_memory_db())
        )

    def _routed(self, model):
        # type: (type) -> str
        """The other alias in which the EDMS's routers keep the model's rows; "" if that is this one, or no router says."""
        from django.db import connections, router

        try:
            chosen = _word_of_routers("db_for_write", model) or _word_of_routers("db_for_read", model)
            if not chosen and not router.allow_migrate_model(self.alias, model):
                chosen = next((one for one in connections if router.allow_migrate_model(one, model)), "")
        except Exception as error:  # the EDMS's code may raise anything, and that is reported
            self.finding(
                "router-failed",
                "error",
                "%s.%s" % (model._meta.app_label, model._meta.object_name),
                "A database router failed when it was asked where the model's rows are (%s: %s). If they are in another "
                "database, they are not in the snapshot." % (type(error).__name__, error),
            )
            return ""
        if not chosen or chosen == self.alias or chosen not in connections or self._is_copy(chosen):
            return ""
        return str(chosen)

    def _has_rows(self, model):
        # type: (type) -> bool
        """Whether the model's table is in this database and has rows."""
        if self.database_error is not None:
            return False
        try:
            return bool(self._patiently(lambda: model._base_manager.using(self.alias).order_by().exists()))
        except TableHeld:
            raise
        except Exception as error:  # there is no such table, or one with other columns
            if _is_lost(error):
                raise
            return False

    def _as_connected(self, address):
        # type: (dict) -> dict
        """The address of the open connection, as libpq resolved it from services, password files and variables."""
        self.connection.ensure_connection()
        info = self.connection.connection.info
        found = info.get_parameters() if hasattr(info, "get_parameters") else info.dsn_parameters
        found = {key: value for key, value in found.items() if value and not _by_default(key, value, found)}
        # The settings win over the connection: psycopg 3 tries the hosts of a list one by one, and reports only one.
        options = dict(found, **address["options"])
        for key in ("service", "servicefile", "conninfo", "dsn"):
            options.pop(key, None)  # resolved; and the file that defines a service may not be where the backup runs
        for key in ("passfile", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir"):
            if os.path.exists(options.get(key, "")):  # not a path: sslrootcert=system
                options[key] = os.path.abspath(options[key])
        # Django prefers OPTIONS for the name, and its own settings for the rest.
        name = address["options"].get("dbname") or address["name"] or found.get("dbname", "")
        for key in ("dbname", "password"):
            options.pop(key, None)
        login = {key: address[key] or options.get(key, "") for key in ("user", "host", "port")}
        for key in login:
            options.pop(key, None)
        return dict(login, name=name, password=str(info.password or address["password"]), options=options)

    def _media_root(self):
        # type: () -> None
        from django.conf import settings

        if settings.MEDIA_ROOT:
            path = os.path.abspath(str(settings.MEDIA_ROOT))
            self.roots[path] = ("media", path, [])

    def _root_of(self, field, label):
        # type: (object, str) -> object
        """The name of the root that a FileField's storage writes to; None if it is not a folder or is inside another root."""
        path = self.stores.folder_of(field.storage, label)
        if not path:
            return None
        inside = [root for root in self.roots if path == root or path.startswith(root + os.sep)]
        if inside and path not in self.roots:
            # The files of a storage inside another root are walked with that root.
            return None
        if path not in self.roots:
            taken = {name for name, _, _ in self.roots.values()}
            name = base = os.path.basename(path) or "files"
            number = 2
            while name in taken:
                name = "%s-%d" % (base, number)
                number += 1
            self.roots[path] = (name, path, [])
        self.roots[path][2].append(label)
        return self.roots[path][0]

    # -- models ----------------------------------------------------------------------------------------------------

    def _concrete_models(self):
        # type: () -> list
        from django.apps import apps

        models = apps.get_models(include_auto_created=True, include_swapped=False)
        return [model for model in models if not model._meta.proxy and not model._meta.abstract]

    def _model(self, model):
        # type: (type) -> dict
        meta = model._meta
        label = "%s.%s" % (meta.app_label, meta.object_name)
        fields = [field for field in meta.local_fields if field.column is not None]
        primary = self._primary_key_columns(model)
        elsewhere = self._routed(model)
        here = not elsewhere or self._has_rows(model)
        return {
            "label": label,
            "table": meta.db_table,
            "app_label": meta.app_label,
            "model_name": meta.model_name,
            "managed": bool(meta.managed),
            "auto_created": bool(meta.auto_created),
            "swapped": bool(meta.swapped),
            "parents": [parent._meta.db_table for parent in meta.parents],
            "proxies": self._proxies(model),
            "fields": [self._field(field, label, primary) for field in fields],
            "columnless": [field.name for field in meta.local_fields if field.column is None],
            "generics": self._generics(model),
            "generic_relations": self._generic_relations(model),
            "parental_lists": self._parental_lists(model),
            "uniques": self._uniques(model),
            "natural_key": self._natural_key(model) if here else None,
            "lookup": self._lookup(model) if here else None,
            "database": elsewhere,
            "rows_here": here,
        }

    def _proxies(self, model):
        # type: (type) -> list
        """[app label, model name] of the proxies of a model, as their content types have them."""
        from django.apps import apps

        known = apps.get_models()
        proxies = [other._meta for other in known if other._meta.proxy and other._meta.concrete_model is model]
        return [[meta.app_label, meta.model_name] for meta in proxies]

    def _primary_key_columns(self, model):
        # type: (type) -> set
        members = getattr(model._meta, "pk_fields", None) or [model._meta.pk]
        return {field.column for field in members if getattr(field, "column", None)}

    def _field(self, field, label, primary):
        # type: (object, str, set) -> dict
        from django.db import models

        described = {
            "name": field.name,
            "attname": field.attname,
            "column": field.column,
            "internal_type": field.get_internal_type(),
            "null": bool(field.null),
            "primary_key": field.column in primary,
            "unique": bool(field.unique),
            "generated": bool(getattr(field, "generated", False)),
            "auto_now": bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)),
            "max_length": getattr(field, "max_length", None),
            "max_digits": getattr(field, "max_digits", None),
            "decimal_places": getattr(field, "decimal_places", None),
            "array_depth": _array_depth(field),
            "default": _plain_default(field),
        }
        remote = getattr(field, "remote_field", None)
        if isinstance(field, models.ForeignKey) and remote is not None:
            target = field.target_field
            while getattr(target, "remote_field", None) is not None and target.model._meta.proxy:
                target = target.target_field
            described["reference_table"] = target.model._meta.db_table
            described["reference_column"] = target.column
            described["reference_kind"] = "one_to_one" if isinstance(field, models.OneToOneField) else "foreign"
            described["on_delete"] = str(getattr(remote.on_delete, "__name__", ""))
            described["parent_link"] = bool(getattr(remote, "parent_link", False))
            if _is_a(field, "ParentalKey"):
                described["child_list"] = remote.get_accessor_name()
        if isinstance(field, models.FileField):
            described["file_root"] = self._root_of(field, "%s.%s" % (label, field.name))
        return described

    def _generics(self, model):
        # type: (type) -> list
        """The GenericForeignKeys of a model, and pairs of content type and object id that look like one."""
        from django.apps import apps

        if not apps.is_installed("django.contrib.contenttypes"):
            return []
        from django.contrib.contenttypes.fields import GenericForeignKey
        from django.contrib.contenttypes.models import ContentType

        local = {field.name: field for field in model._meta.local_fields}
        found, used = [], set()
        for field in model._meta.private_fields:
            if isinstance(field, GenericForeignKey) and field.ct_field in local and field.fk_field in local:
                used.add(field.ct_field)
                found.append(
                    {
                        "name": field.name,
                        "content_type_column": local[field.ct_field].column,
                        "object_id_column": local[field.fk_field].column,
                        "declared": True,
                    }
                )
        for field in model._meta.local_fields:
            remote = getattr(field, "remote_field", None)
            if remote is None or remote.model is not ContentType or field.name in used:
                continue
            stem = field.name[: -len("content_type")] if field.name.endswith("content_type") else ""
            for candidate in (stem + "object_id", stem + "object_pk"):
                if candidate in local:
                    found.append(
                        {
                            "name": "%s + %s" % (field.name, candidate),
                            "content_type_column": field.column,
                            "object_id_column": local[candidate].column,
                            "declared": False,
                        }
                    )
                    break
        return found

    def _generic_relations(self, model):
        # type: (type) -> list
        """The tables whose rows refer to rows of a model by content type and id, as its GenericRelations say."""
        fields = [field for field in model._meta.private_fields if _is_a(field, "GenericRelation")]
        return sorted({field.related_model._meta.db_table for field in fields})

    def _parental_lists(self, model):
        # type: (type) -> list
        """The fields that copies of a row hold as lists of ids (Django's and modelcluster's many-to-many), and the tables of these ids."""
        fields = [
            field
            for field in model._meta.local_many_to_many
            if _is_a(field, "ParentalManyToManyField") or field.remote_field.through._meta.auto_created
        ]
        return [[field.name, field.related_model._meta.concrete_model._meta.db_table] for field in fields]

    def _uniques(self, model):
        # type: (type) -> list
        from django.db import models

        meta = model._meta
        columns = {field.name: field.column for field in meta.local_fields}
        uniques = []
        for group in meta.unique_together:
            if all(name in columns for name in group):
                uniques.append({"name": "unique_together", "columns": [columns[name] for name in group]})
        for constraint in meta.constraints:
            if not isinstance(constraint, models.UniqueConstraint) or not constraint.fields:
                continue  # a unique expression has no columns
            if all(name in columns for name in constraint.fields):
                uniques.append(
                    {
                        "name": constraint.name,
                        "columns": [columns[name] for name in constraint.fields],
                        "conditional": constraint.condition is not None,
                        "nulls_distinct": getattr(constraint, "nulls_distinct", None) is not False,
                    }
                )
        return uniques

    # -- natural keys ----------------------------------------------------------------------------------------------

    def _natural_key(self, model):
        # type: (type) -> object
        """The column paths that `natural_key()` equals on real rows, or why there are none; None if the model has no such method."""
        if not callable(getattr(model, "natural_key", None)):
            return None
        on_manager = hasattr(model._default_manager, "get_by_natural_key")
        dependencies = [str(name) for name in getattr(model.natural_key, "dependencies", [])]
        key = {
            "paths": None,
            "compared_rows": 0,
            "problem": None,
            "on_manager": on_manager,
            "flat": True,
            "dependencies": dependencies,
        }
        if self.database_error is not None:
            key["problem"] = "the database could not be asked"
            return key
        try:
            rows, values = self._patiently(lambda: self._sample(model))
        except TableHeld:
            raise
        except Exception as error:  # the EDMS's code may raise anything, and that is reported
            if _is_lost(error):
                raise
            key["problem"] = "natural_key() raised %s: %s" % (type(error).__name__, error)
            return key
        key["compared_rows"] = len(rows)
        if not rows:
            paths = self._paths_by_parameter(model)
            key["paths"] = paths
            key["problem"] = None if paths else "there are no rows to check it on"
            return key
        if any(not isinstance(value, (tuple, list)) for value in values):
            key["problem"] = "natural_key() does not return a tuple"
            return key
        key["flat"] = not any(isinstance(part, (tuple, list)) for value in values for part in value)
        values = [_flat(value) for value in values]
        if len({len(value) for value in values}) != 1:
            key["problem"] = "natural_key() has different lengths on different rows"
            return key
        paths = self._paths(model, rows, values)
        if isinstance(paths, int):
            key["problem"] = "part %d of natural_key() equals no column" % (paths + 1)
            return key
        # A key that is only the pk is assessed later, when the catalogue shows whether it is a counter.
        held = len(paths) > 1 and [model._meta.pk.column] in paths
        if held and model._meta.pk.get_internal_type().endswith("AutoField"):
            key["problem"] = "natural_key() holds the primary key"
            return key
        key["paths"] = paths
        return key

    def _sample(self, model):
        # type: (type) -> tuple
        rows = list(_without_documents(model, model._base_manager.using(self.alias)).order_by("pk")[:SAMPLE_ROWS])
        if not rows:
            return rows, []
        first = rows[0].natural_key()
        _load_alike(rows[0], rows[1:])
        return rows, [first] + [row.natural_key() for row in rows[1:]]

    def _lookup(self, model):
        # type: (type) -> dict
        """Where `get_by_natural_key` is; with `--lookups`, how often it found the rows whose keys it was given."""
        place = "manager" if hasattr(model._default_manager, "get_by_natural_key") else ""
        place = place or ("model" if hasattr(model, "get_by_natural_key") else "")
        lookup = {"place": place, "parameters": self._parameters(model)}  # type: dict
        own_key = callable(getattr(model, "natural_key", None))
        if self.lookups and self.database_error is None and place == "manager" and own_key:
            lookup.update(self._patiently(lambda: self._try_lookups(model)))
        return lookup

    def _try_lookups(self, model):
        # type: (type) -> dict
        """Look rows up by their own keys, as loaddata does, and count the results."""
        from django.db import models, transaction

        # Not through a manager, which may hide rows.
        rows = _without_documents(model, models.QuerySet(model=model, using=self.alias))
        try:
            with transaction.atomic(using=self.alias):
                half = _rows_for(
                    DOCUMENT_BYTES, model, models.QuerySet(model=model, using=self.alias), SAMPLE_ROWS // 2
                )
                asked = {row.pk: row for order in ("pk", "-pk") for row in rows.order_by(order)[:half]}
        except Exception as error:  # a table that cannot be read is reported elsewhere
            if _is_held(error) or _is_lost(error):
                raise
            return {}
        counts = {"asked": 0, "mismatched": 0, "raised": 0, "not_found": 0, "others": 0}
        examples = {}  # type: dict
        with transaction.atomic(using=self.alias):
            for row in asked.values():
                try:
                    with transaction.atomic(using=self.alias):
                        key = row.natural_key()
                except Exception as error:  # a natural_key() that fails is reported by `_natural_key`
                    if _is_held(error) or _is_lost(error):
                        raise
                    continue
                if not isinstance(key, (tuple, list)):
                    continue
                counts["asked"] += 1
                problem, explanation = self._look_up(model, row, key)
                if problem:
                    counts[problem] += 1
                    example = ("%r: %s" % (tuple(key), explanation))[:300]
                    if example not in examples.setdefault(problem, []):
                        examples[problem].append(example)
            transaction.set_rollback(True, using=self.alias)
        return dict(counts, examples={problem: found[:3] for problem, found in examples.items()})

    def _look_up(self, model, row, key):
        # type: (type, object, tuple) -> tuple
        """(problem, explanation) of a lookup by a row's own key; ("", "") if it found the row."""
        import inspect

        from django.core.serializers.json import DjangoJSONEncoder
        from django.db import transaction

        lookup = model._default_manager.db_manager(self.alias).get_by_natural_key
        try:
            inspect.signature(lookup).bind(*key)
        except TypeError as error:
            return "mismatched", str(error)
        try:
            parts = json.loads(json.dumps(key, cls=DjangoJSONEncoder))  # what dumpdata writes and loaddata reads
            with transaction.atomic(using=self.alias):  # a failed query must not abort the outer transaction
                found = lookup(*parts)
        except model.DoesNotExist:
            return "not_found", "found no row"
        except model.MultipleObjectsReturned:
            return "others", "found several rows"
        except Exception as error:  # the EDMS's code may raise anything, and that is reported
            if _is_held(error) or _is_lost(error):
                raise
            return "raised", "%s: %s" % (type(error).__name__, str(error).strip())
        if found is None:
            return "not_found", "found no row"
        if getattr(found, "pk", None) != row.pk:
            return "others", "found the row %s instead of %s" % (getattr(found, "pk", found), row.pk)
        return "", ""

    def _paths(self, model, rows, values):
        # type: (type, list, list) -> object
        """A column path for each part of the key, the shortest that equals it; or the position (int) of a part that has none."""
        found, ids, known = {}, {}, {}  # type: dict, dict, dict
        for depth in range(1, LONGEST_PATH + 1):
            candidates = self._columns_of(rows, model, depth, known)
            for position in range(len(values[0])):
                if position in found:
                    continue
                wanted = [value[position] for value in values]
                matching = [path for path, column in candidates if _same(column, wanted)]
                matching = [path for path in matching if path not in found.values()] or matching
                # On few rows small ids may equal other numbers by chance, so a longer path to a real value wins over an id.
                values_only = [path for path in matching if not self._is_id(model, path, position)]
                if values_only:
                    found[position] = self._preferred(model, values_only, position)
                elif matching:
                    ids.setdefault(position, self._preferred(model, matching, position))
            if len(found) == len(values[0]):
                break
        found = {**ids, **found}
        missing = [position for position in range(len(values[0])) if position not in found]
        return missing[0] if missing else [found[position] for position in range(len(values[0]))]

    def _is_id(self, model, path, position):
        # type: (type, list, int) -> bool
        """Whether a path ends at an integer id (a pk, a foreign key) that the lookup's parameter does not name."""
        for column in path[:-1]:
            field = next(field for field in model._meta.local_fields if field.column == column)
            model = field.remote_field.model._meta.concrete_model
        parameters = self._parameters(model) if len(path) == 1 else []
        field = next(field for field in model._meta.local_fields if field.column == path[-1])
        if position < len(parameters) and parameters[position] in (field.name, field.column):
            return False
        counts = field.primary_key or getattr(field, "remote_field", None) is not None
        while getattr(field, "remote_field", None) is not None:
            field = field.target_field
        kind = field.get_internal_type()
        return counts and ("Integer" in kind or kind.endswith("AutoField"))

    def _paths_by_parameter(self, model):
        # type: (type) -> object
        names = self._parameters(model)
        columns = {field.name: field.column for field in model._meta.local_fields}
        if names and all(name in columns for name in names):
            return [[columns[name]] for name in names]
        return None

    def _parameters(self, model):
        # type: (type) -> list
        import inspect

        lookup = getattr(model._default_manager, "get_by_natural_key", None)
        if lookup is None:
            return []
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [p.name for p in inspect.signature(lookup).parameters.values() if p.kind in kinds]

    def _columns_of(self, rows, model, depth, known):
        # type: (list, type, int, dict) -> list
        """(path, values) for the model's columns, and those reached through at most `depth` - 1 foreign keys.

        `known` are the rows that were read already, by model and column, and gets those that are read.
        """
        from django.db import models

        documents = _documents_of(model)
        own = [field for field in model._meta.local_fields if field.column is not None and field.name not in documents]
        found = [
            ([field.column], [None if row is None else getattr(row, field.attname) for row in rows]) for field in own
        ]
        if depth == 1:
            return found
        for field in own:
            if not isinstance(field, models.ForeignKey):
                continue
            target = field.remote_field.model._meta.concrete_model
            attribute = field.target_field.attname
            pointed_at = known.setdefault((target, attribute), {})
            wanted = {getattr(row, field.attname) for row in rows if row is not None} - {None} - set(pointed_at)
            if wanted:
                pointing = _without_documents(target, target._base_manager.using(self.alias)).filter(
                    **{field.target_field.name + "__in": sorted(wanted, key=str)}
                )
                read = self._patiently(lambda rows=pointing: list(rows))
                pointed_at.update(dict.fromkeys(wanted))
                pointed_at.update({getattr(row, attribute): row for row in read})
            pointed = [None if row is None else pointed_at.get(getattr(row, field.attname)) for row in rows]
            for path, values in self._columns_of(pointed, target, depth - 1, known):
                found.append(([field.column] + path, values))
        return found

    def _preferred(self, model, matching, position):
        # type: (type, list, int) -> object
        """The best of several paths with equal values: named like the lookup's parameter, not the pk, unique, short."""
        if not matching:
            return None
        parameters = self._parameters(model)
        wanted = parameters[position] if position < len(parameters) else ""
        unique = set()
        for constraint in self._uniques(model):
            unique.update(constraint["columns"])
        unique.update(field.column for field in model._meta.local_fields if field.unique and not field.primary_key)

        def rank(path):
            # type: (list) -> tuple
            last = path[-1]
            named = last == wanted or "_".join(path) == wanted or wanted.endswith(last)
            # If another column has the same numbers as the pk, that column is more likely meant.
            counted = path == [model._meta.pk.column]
            return (not named, counted, path[0] not in unique, len(path), path)

        return sorted(matching, key=rank)[0]

    # -- migrations ------------------------------------------------------------------------------------------------

    def _migrations(self):
        # type: () -> tuple
        from django.db.migrations.loader import MigrationLoader

        connection = None if self.database_error is not None else self.connection
        loader = self._patiently(lambda: MigrationLoader(connection)) if connection else MigrationLoader(None)
        applied = sorted(loader.applied_migrations) if connection is not None else []
        leaves = sorted(loader.graph.leaf_nodes())
        known = set(loader.disk_migrations) | set(loader.graph.nodes)
        for migration in loader.disk_migrations.values():
            known.update(tuple(pair) for pair in migration.replaces)
        unapplied = []
        if connection is not None:
            done = set(applied)
            for node in loader.graph.nodes:
                if node not in done and tuple(node) not in loader.applied_migrations:
                    unapplied.append(node)
        return loader, applied, sorted(known), leaves, sorted(unapplied)

    def _graph(self, loader):
        # type: (object) -> list
        """Every migration of the code with its dependencies and those it replaces, applied or not."""
        after = {key: set() for key in loader.disk_migrations}  # type: dict
        for key, migration in loader.disk_migrations.items():
            for other in migration.dependencies:
                found = self._named(loader, other, key[0])
                if found is not None:
                    after[key].add(found)
            for other in migration.run_before:
                found = self._named(loader, other, key[0])
                if found in after:
                    after[found].add(key)
        return [
            {
                "app": key[0],
                "name": key[1],
                "dependencies": sorted(after[key]),
                "replaces": [[str(part) for part in pair] for pair in migration.replaces],
            }
            for key, migration in sorted(loader.disk_migrations.items())
        ]

    def _named(self, loader, key, app):
        # type: (object, tuple, str) -> object
        """The (app, name) of a dependency, with `__first__` and `__latest__` resolved."""
        key = tuple(str(part) for part in key)
        return loader.check_key(key, app) if key[1] in ("__first__", "__latest__") else key


class Stores:
    """The EDMS's storages that keep files elsewhere than in a folder: object stores, or whatever has no paths."""

    def __init__(self):
        # type: () -> None
        self.found = {}  # type: dict

    def folder_of(self, storage, who):
        # type: (object, str) -> str
        """The folder that a storage writes to; "" if it has none, which is noted with `who` uses it."""
        names = {base.__name__ for base in storage.__class__.__mro__}
        try:
            if "InMemoryStorage" not in names:  # it has paths, and no files there
                return os.path.abspath(str(storage.path("")))
        except Exception:  # without paths it is NotImplementedError, but the EDMS's own class may raise anything
            pass
        if not any("StaticStorage" in name for name in names):
            self.add(storage, who)
        return ""

    def add(self, storage, who):
        # type: (object, str) -> None
        """Note a storage without a folder."""
        kind = storage.__class__.__name__  # of a lazy one: the class that it stands for
        url, options = "", {}
        names = {base.__name__ for base in storage.__class__.__mro__}
        try:
            if names & {"S3Storage", "S3Boto3Storage"} and storage.bucket_name:
                url = "/".join(["s3://" + str(storage.bucket_name), str(storage.location or "").strip("/")]).rstrip("/")
                for option, attribute in (("endpoint_url", "endpoint_url"), ("region", "region_name")):
                    if getattr(storage, attribute, None):
                        options[option] = str(getattr(storage, attribute))
            else:
                places = ("bucket_name", "azure_container", "container_name", "location")
                kind = " ".join([kind] + [str(getattr(storage, one)) for one in places if getattr(storage, one, None)])
        except Exception:  # it may ask its server, or lack a setting
            url, options = "", {}
        known = self.found.setdefault((kind, url), {"kind": kind, "url": url, "options": options, "used_by": []})
        if who not in known["used_by"]:
            known["used_by"].append(who)

    def add_configured(self):
        # type: () -> None
        """Note the storages of the settings: code can write to them whether or not a FileField does."""
        from django.conf import settings

        try:
            from django.core.files.storage import storages
        except ImportError:  # Django 4.1 and older
            from django.core.files.storage import default_storage

            self.folder_of(default_storage, "DEFAULT_FILE_STORAGE")
            return
        for alias in sorted(set(settings.STORAGES) - {"staticfiles"}):
            who = "STORAGES[%r]" % alias
            try:
                storage = storages[alias]
            except Exception as error:  # its package is not installed, or a setting is missing
                kind = "a storage that cannot be made (%s)" % type(error).__name__
                self.found[(kind, who)] = {"kind": kind, "url": "", "options": {}, "used_by": [who]}
                continue
            self.folder_of(storage, who)

    def report(self, taken):
        # type: (set) -> list
        """Each store with a name of its own, as a root of files could have it."""
        reported = []
        for store in self.found.values():
            name = base = store["url"].rpartition("/")[2] or "files"
            number = 2
            while name in taken:
                name = "%s-%d" % (base, number)
                number += 1
            taken.add(name)
            reported.append(dict(store, name=name))
        return reported


class Surroundings:
    """Where files of the EDMS may be that no FileField names, and where its code is."""

    def __init__(self, stores):
        # type: (Stores) -> None
        self.stores = stores
        self.unasked = []

    def report(self):
        # type: () -> dict
        """The folders that settings, classes and fields name, the project's, those of code, and the prefixes of file URLs."""
        from django.conf import settings

        named = dict(self._of_fields())
        named.update(self._of_classes())
        named.update(self._of_settings())
        project = [str(getattr(settings, name, "") or "") for name in ("BASE_DIR", "PROJECT_ROOT", "ROOT_DIR")]
        module = sys.modules.get(os.environ.get("DJANGO_SETTINGS_MODULE", ""))
        project += [os.getcwd(), sys.path[0], os.path.dirname(getattr(module, "__file__", None) or "")]
        return {
            "named": [[path, who] for path, who in sorted(named.items()) if os.path.isdir(path)],
            "project": _folders(project),
            "code": _folders(self._code()),
            "unasked": self.unasked,
            "urls": [url for url in [str(settings.MEDIA_URL or "")] if url.strip("/")],
        }

    def _of_settings(self):
        # type: () -> object
        """(folder, setting) of settings that name folders: UPLOAD_DIR, ARCHIVE_ROOT, STORAGES and the like."""
        from django.conf import global_settings, settings

        for name in dir(settings):
            words = {"ROOT", "DIR", "FOLDER", "PATH", "DIRECTORY", "LOCATION"} & set(name.split("_"))
            if name in ("STATIC_ROOT", "BASE_DIR", "PROJECT_ROOT", "ROOT_DIR") or not name.isupper():
                continue
            if not words and "STORAGE" not in name:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some of Django's settings warn when read
                value = getattr(settings, name)
            if name != "STORAGES" and value == getattr(global_settings, name, None):
                continue
            for text in _texts_in(value):
                if text.strip(os.sep):  # a cookie's path may be "/"
                    yield os.path.abspath(text), name

    def _of_fields(self):
        # type: () -> object
        """(folder, field) of FilePathFields."""
        from django.apps import apps
        from django.db import models

        for model in apps.get_models():
            for field in model._meta.local_fields:
                if isinstance(field, models.FilePathField):
                    ask = field.path if callable(field.path) else lambda field=field: field.path
                    for found in self._asked("%s.%s" % (model._meta.label, field.name), ask):
                        yield found

    def _of_classes(self):
        # type: () -> object
        """(folder, attribute) of storages that are attributes of the EDMS's modules and classes."""
        from django.contrib.staticfiles.storage import StaticFilesStorage
        from django.core.files.storage import FileSystemStorage, Storage

        for who, value in values_of_modules():
            if issubclass(type(value), FileSystemStorage) and not isinstance(value, StaticFilesStorage):
                for found in self._asked(who, lambda value=value: value.path("")):
                    yield found
            elif issubclass(type(value), Storage) and not isinstance(value, StaticFilesStorage):
                folder = self.stores.folder_of(value, who)
                if folder:
                    yield folder, who

    def _asked(self, who, ask):
        # type: (str, object) -> list
        """[(folder, who)] as the EDMS's code answers; [], and an entry in `unasked`, if it fails."""
        try:
            return [(os.path.abspath(str(ask())), who)]
        except Exception as error:  # it may raise anything; the message may contain a secret
            self.unasked.append("%s: %s" % (who, type(error).__name__))
            return []

    def _code(self):
        # type: () -> list
        """Folders of code, templates and static files. Their files are no files of rows."""
        from django.apps import apps
        from django.conf import settings

        found = [sys.prefix, sys.base_prefix, str(settings.STATIC_ROOT or "")]
        for engine in settings.TEMPLATES:
            found += [str(folder) for folder in engine.get("DIRS") or ()]
        for folder in getattr(settings, "STATICFILES_DIRS", ()):
            found.append(str(folder[1] if isinstance(folder, (list, tuple)) else folder))
        found += [str(folder) for folder in settings.LOCALE_PATHS]
        for config in apps.get_app_configs():
            if os.path.isfile(os.path.join(config.path, "__init__.py")) and "site-packages" in config.path:
                found.append(config.path)
        return found


def _plain_default(field):
    # type: (object) -> object
    """The value that a migration gives to existing rows for a new field, as JSON; None if it has none that is always the same."""
    default = getattr(field, "default", None)
    if default in (dict, list):
        return json.dumps(default())
    if field.has_default() and type(default) in (bool, int, float, str):
        return json.dumps(default)
    if not field.has_default() and field.blank and not field.null and field.empty_strings_allowed:
        return '""'
    return None


def _array_depth(field):
    # type: (object) -> int
    """How many lists are around a value of an ArrayField; 0 of any other field."""
    depth = 0
    while _is_a(field, "ArrayField"):
        depth, field = depth + 1, field.base_field
    return depth


def _is_a(field, name):
    # type: (object, str) -> bool
    """Whether a field's class, or one that it is made from, has a name; its package need not be installed."""
    return any(base.__name__ == name for base in type(field).__mro__)


def _folders(paths):
    # type: (list) -> list
    """The existing folders among the paths: absolute, sorted, each once."""
    return sorted({os.path.abspath(path) for path in paths if path and os.path.isdir(path)})


def _texts_in(value):
    # type: (object) -> list
    """The paths in a setting's value, also inside dictionaries and lists: texts with a separator that are no URL."""
    if isinstance(value, (str, os.PathLike)):
        text = os.fspath(value)
        return [text] if isinstance(text, str) and os.sep in text and "\0" not in text and "://" not in text else []
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts_in(one)]
    if isinstance(value, (list, tuple)):
        return [text for one in value for text in _texts_in(one)]
    return []


def _is_held(error):
    # type: (BaseException) -> bool
    """Whether a query reached lock_timeout. psycopg 3 and 2 have different names for the error code."""
    cause = error.__cause__ or error
    return _LOCK_NOT_AVAILABLE in (getattr(cause, "sqlstate", None), getattr(cause, "pgcode", None))


def _is_lost(error):
    # type: (BaseException) -> bool
    """Whether the connection to PostgreSQL was lost: by the code (08…: no connection; 57P…: shut down), or without any code."""
    from django.db import InterfaceError, OperationalError

    cause = error.__cause__ or error
    if not isinstance(error, (InterfaceError, OperationalError)) or not hasattr(cause, "diag"):
        return False
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return code is None or code[:2] == "08" or code[:3] == "57P"


def _holder(row):
    # type: (tuple) -> str
    table, granted, pid, user, application, state, query = row
    how = "held" if granted else "asked for"
    return "%s, %s by session %s of %s (%s, %s): %s" % (table, how, pid, user, application, state or "unknown", query)


def _texts(options):
    # type: (dict) -> dict
    """The values of Django's OPTIONS that can be connection parameters, as text."""
    texts = {}
    for key, value in options.items():
        if isinstance(value, (str, int, float, os.PathLike)):
            texts[str(key)] = str(value)
    return texts


def _by_default(key, value, found):
    # type: (str, str, dict) -> bool
    """Whether a parameter has a default of libpq or psycopg. It is left out, because an older libpq may not know it."""
    if key == "hostaddr":
        return bool(found.get("host")) and "PGHOSTADDR" not in os.environ
    return value == _LIBPQ_DEFAULTS.get(key)


def _flat(value):
    # type: (object) -> list
    """The parts of a key as a flat list: a part may be a tuple, the natural key of a referenced row."""
    parts = []  # type: list
    for part in value:
        parts += _flat(part) if isinstance(part, (tuple, list)) else [part]
    return parts


def _documents_of(model):
    # type: (type) -> list
    """The names of the fields with JSON or bytes, which are large and no part of a key."""
    kinds = ("JSONField", "BinaryField")
    return [field.name for field in model._meta.concrete_fields if field.get_internal_type() in kinds]


def _without_documents(model, rows):
    # type: (type, object) -> object
    documents = _documents_of(model)
    return rows.defer(*documents) if documents else rows


def _load_alike(like, rows):
    # type: (object, list) -> None
    """Load the rows that foreign keys of these rows refer to, one query a key, wherever `like`, another row, has loaded its own."""
    from django.db import Error, models
    from django.db.models import prefetch_related_objects

    for field in like._meta.local_fields:
        if not isinstance(field, models.ForeignKey) or not field.is_cached(like):
            continue
        further = [row for row in rows if not field.is_cached(row) and getattr(row, field.attname) is not None]
        try:
            prefetch_related_objects(further, field.name)
        except Error:
            raise
        except Exception:  # a reference of the EDMS's own making: each row is asked for alone
            continue
        for row in further:
            if field.is_cached(row) and field.get_cached_value(row) is None:
                field.delete_cached_value(row)  # there is no such row, and to ask for it alone is an error
        pointed = [field.get_cached_value(row, default=None) for row in further]
        example = field.get_cached_value(like)
        others = {id(row): row for row in pointed if row is not None and row is not example}
        if example is not None and others:
            _load_alike(example, list(others.values()))


def _rows_for(size, model, rows, most):
    # type: (int, type, object, int) -> int
    """How many rows hold so many bytes of JSON, by the first few of them; between 2 and `most`."""
    from django.db.models import Sum, TextField
    from django.db.models.functions import Cast, Length

    names = [f.name for f in model._meta.local_fields if f.get_internal_type() == "JSONField"]
    if not names:
        return most
    few = 4
    counted = {"size_%d" % n: Sum(Length(Cast(name, TextField()))) for n, name in enumerate(names)}
    held = rows.filter(pk__in=list(rows.order_by("pk").values_list("pk", flat=True)[:few])).aggregate(**counted)
    each = sum(value or 0 for value in held.values()) / float(few)
    return max(2, min(most, int(size / each) if each else most))


def _same(column, wanted):
    # type: (list, list) -> bool
    return all(left == right or str(left) == str(right) for left, right in zip(column, wanted))


if __name__ == "__main__":
    main()
