"""Promote and roll back: the staged database and folders become the live ones, and the live ones are kept.

`target_locks.py` keeps other runs from the target, `staged_folders.py` names and checks staged folders of files, `journal.py` records a
promotion before anything changes (in the work folder, and beside the target for runs with another work folder), `swap.py` swaps and
finishes interrupted swaps, `swap_around_database.py` swaps a folder that contains the database, `store_swap.py` swaps objects of a
store, `set_aside_names.py` names what was live, `swap_back.py` rolls back,
`forgetting.py` removes what was set aside.
"""

from edms_tasks.promotion.forgetting import FormerSystem, find_set_aside, forget_set_aside, time_of_stamp
from edms_tasks.promotion.journal import Evidence, Journal, Promotion
from edms_tasks.promotion.staged_folders import check_folder, remove_staged, remove_staged_beside, staging_folder
from edms_tasks.promotion.swap import StagedState, carry_out, pending, plan, recover
from edms_tasks.promotion.swap_around_database import require_movable
from edms_tasks.promotion.swap_back import Choice, choices, choose, roll_back
from edms_tasks.promotion.target_locks import LiveTarget, Patience

__all__ = [
    "Choice",
    "Evidence",
    "FormerSystem",
    "Journal",
    "LiveTarget",
    "Patience",
    "Promotion",
    "StagedState",
    "carry_out",
    "check_folder",
    "choices",
    "choose",
    "find_set_aside",
    "forget_set_aside",
    "pending",
    "plan",
    "recover",
    "remove_staged",
    "remove_staged_beside",
    "require_movable",
    "roll_back",
    "staging_folder",
    "time_of_stamp",
]
