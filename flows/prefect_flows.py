"""The flows as Prefect loads them: a deployment's entry points.

    prefect deploy --prefect-file deployments/prefect.yaml --all

Each is declared where its verb is (`flows/backup.py`, …). A run whose checks fail is a failed run, so that schedules and automations
notice. Parameters are recorded by the server and hold no secrets: the settings file and the environment of the worker do.
"""

from __future__ import annotations

import flows.alarm
import flows.backup
import flows.convert
import flows.convert_all
import flows.copy
import flows.diff
import flows.doctor
import flows.drill
import flows.fixtures
import flows.listing
import flows.merge
import flows.packages
import flows.prune
import flows.restore
import flows.restore_plan
import flows.rollback
import flows.status
import flows.verify
from flows.running.prefect_logging import shorten_known_errors

shorten_known_errors()

alarm = flows.alarm.alarm.on_prefect
backup = flows.backup.backup.on_prefect
verify = flows.verify.verify.on_prefect
restore = flows.restore.restore.on_prefect
plan_restore = flows.restore_plan.plan_restore.on_prefect
merge = flows.merge.merge.on_prefect
copy = flows.copy.copy.on_prefect
convert = flows.convert.convert.on_prefect
convert_all = flows.convert_all.convert_all.on_prefect
export = flows.packages.export.on_prefect
export_fixtures = flows.fixtures.export_fixtures.on_prefect
import_package = flows.packages.import_package.on_prefect
diff = flows.diff.diff.on_prefect
drill = flows.drill.drill.on_prefect
prune = flows.prune.prune.on_prefect
rollback = flows.rollback.rollback.on_prefect
doctor = flows.doctor.doctor.on_prefect
list_ = flows.listing.list_.on_prefect
status = flows.status.status.on_prefect
