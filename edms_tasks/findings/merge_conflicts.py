"""Conflicts: findings that stop a merge before anything is written."""

from __future__ import annotations

from edms_tasks.findings.kind import Kind

KINDS = (
    Kind(
        "differs",
        ("error",),
        "Rows of both systems differ, and the policy is `fail`.",
        "Choose `--on-conflict MODEL=overwrite` or `--on-conflict MODEL=keep`.",
    ),
    Kind(
        "unique",
        ("error",),
        "Rows of the snapshot have a unique value of other rows of the target (not their natural key), such as a running number that both "
        "systems have used, or names that the database compares without case. Or rows of both systems have exchanged their values.",
        "Change the value in one of the two systems; a merge never invents values.",
    ),
    Kind(
        "reference-by-value",
        ("error",),
        "Rows refer to others by a value that is no id (a code, `to_field`, a page number), and would refer to another row or to none "
        "after the merge, because these rows get another value, or because a value that led to no row would find one.",
        "Give the rows that are referred to the same value in both systems, or choose the other policy for them with --on-conflict.",
    ),
    Kind(
        "doubled-key",
        ("error",),
        "Rows share a natural key, so they cannot be matched.",
        "Fix them in the EDMS, or match by other fields: `--key MODEL=FIELD,…`.",
    ),
    Kind(
        "no-id",
        ("error",),
        "New rows have an id that is taken in the target, and no other can be generated because it is not a number (a code).",
        "Give the model a natural key under [natural_keys] so that its rows are recognised, or change the id in the target.",
    ),
    Kind(
        "id-differs",
        ("error",),
        "Rows with the same natural key have another primary key of several columns in the target.",
        "Change them in the target.",
    ),
    Kind(
        "singleton",
        ("error",),
        "Both systems have one row of a model that looks like settings; they differ, and no natural key says that they are the same "
        "row. After a merge there would be two.",
        "If it is the one row of settings: `--key MODEL=id`. Then `--on-conflict` decides which one stays.",
    ),
    Kind(
        "tree-broken",
        ("error",),
        "The target's tree is broken: paths, depths, numbers or counts of children contradict each other.",
        "Repair it in the EDMS first: `Model.fix_tree()` (django-treebeard) or `Model.objects.rebuild()` (django-mptt).",
    ),
    Kind(
        "tree-moved",
        ("error",),
        "Nodes of a tree have another parent or position in the target.",
        "Move them in the EDMS to where the snapshot has them, or choose --on-conflict MODEL=keep.",
    ),
    Kind(
        "tree-parent",
        ("error",),
        "Nodes of a tree cannot be added: their parents are neither in the target nor part of the merge.",
        "Merge their parents too: name them with --only.",
    ),
    Kind(
        "tree-unsupported",
        ("error",),
        "Nothing but the numbers of nested sets says which node of a tree is which (django-treebeard's NS_Node without a key).",
        "Name fields that identify a node: `--key MODEL=FIELD,…`. If there are none, restore the snapshot with --into.",
    ),
    Kind(
        "undeclared-reference",
        ("error",),
        "A column seems to contain ids of rows that get new ids, but no foreign key and no declaration says so. After the merge these "
        "numbers, lists, JSON or text would refer to other rows.",
        "Declare it under [[soft_references]]; `edms-backup doctor` suggests the lines, and no new snapshot is needed. If the EDMS "
        "computes the column: [derived] columns. If they are not ids: `--not-a-reference COLUMN`, or `not_references` under [merge].",
    ),
    Kind(
        "reference-to-another-database",
        ("error",),
        "A column holds ids of rows that the EDMS's routers keep in another database. A merge does not read that database, so it cannot "
        "say whether the ids mean the same rows there. Snapshots of the same EDMS are merged without this conflict.",
        "Compare the rows in the other databases of both systems. If the ids mean the same rows: `--not-a-reference COLUMN`.",
    ),
    Kind(
        "id-spelled-differently",
        ("error",),
        "A declared reference holds ids in another spelling than the rows' own, such as 0000012 or 12.0 for 12. They lead to no row, so "
        "the merge would not change them. The EDMS may read them as numbers: then they would refer to another row.",
        'For numbers padded with zeros declare their width: pattern = "{pk:07}" for seven digits. Otherwise correct the values in the '
        "EDMS. If they are no ids: `--not-a-reference COLUMN`.",
    ),
    Kind(
        "undeclared-file-name",
        ("error",),
        "File names that no row contains seem to include ids of rows that get new ids. Under their old names these files would belong "
        "to other rows.",
        "Declare the names under [[soft_references]] (files, name, target). If they are not ids: `--not-a-reference FOLDER:PATTERN`.",
    ),
    Kind(
        "file-of-another-row",
        ("error",),
        "Rows of the snapshot name files that the snapshot does not have, and the target has files of these names: the rows would show "
        "the files of others.",
        "Use `--rename-files`: the rows then name files that are missing, as in the snapshot. If files of one name are the same file in "
        "both systems: `--not-a-reference FOLDER:PATTERN`.",
    ),
    Kind(
        "file-unclaimed",
        ("error",),
        "Files of the snapshot have the same names as different files of the target, and no row or declaration says which rows they "
        "belong to.",
        "If their names contain ids, declare them under [[soft_references]] (files, name, target). If files of one name are the same "
        "file in both systems: `--not-a-reference FOLDER:PATTERN`; then the policy decides.",
    ),
    Kind(
        "file-named-after-another",
        ("error",),
        "Files that no row names are named after files that --rename-files gives another name (`a.pdf.json` of `a.pdf`, which becomes "
        "`a_1.pdf`). They would seem to belong to the target's file of the old name.",
        "Give the target's files other names in the EDMS first. If these files do not belong to the others: "
        "`--not-a-reference FOLDER:PATTERN`.",
    ),
    Kind(
        "file",
        ("error",),
        "Files of the snapshot have the same names as different files of the target, and they cannot be replaced: rows that stay in "
        "the target name them, the policy is `fail`, or the target has a folder of that name.",
        "Give them other names with --rename-files, rename the target's files in the EDMS, or choose another policy with --on-conflict.",
    ),
)
