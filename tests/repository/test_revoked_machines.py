"""A revoked machine: what it made before counts, what its key signs from then on does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edms_tasks.errors import (
    CommandError,
    PruneRefused,
)
from edms_tasks.pruning.mark_snapshots import hold
from edms_tasks.repository import Repository
from edms_tasks.repository.proved_snapshots import write_proved
from edms_tasks.settings import RepositorySettings
from flows import keys
from tests.repository.encrypted import CONTENT, files_of, settings_of, store_snapshot
from tests.retention.library import Library
from tests.retention.test_records import proof_of


def test_a_revoked_machine_counts_no_more_and_what_it_made_stays(place: RepositorySettings, tmp_path: Path) -> None:
    keys.make_write_key(settings_of(place), tmp_path / "second", "plant-2")
    second = RepositorySettings(url=place.url, write_key=tmp_path / "second", copies=tmp_path / "copies-2")
    made, ref = store_snapshot(second, day=1)
    with pytest.raises(CommandError, match="machine of that name"):
        keys.make_write_key(settings_of(place), tmp_path / "third", "plant-2")

    keys.revoke_machine(settings_of(place), "plant-2")

    forged, _ = store_snapshot(second, b"by the thief", day=2, previous=made)
    found = Repository.open(place).survey()
    assert (set(found.intact), set(found.untrusted)) == ({made}, {forged})
    assert Repository.open(place).read(ref) == CONTENT
    for name, why in (("plant-2", "no machine"), ("plant-1", "another one")):
        with pytest.raises(CommandError, match=why):
            keys.revoke_machine(settings_of(place), name)


def test_what_a_machine_recorded_before_it_was_revoked_goes_on_counting(
    place: RepositorySettings, tmp_path: Path
) -> None:
    """Its hold holds, its proof proves and its entries are those of the log; also after who revoked it is revoked."""
    machines = {name: place.model_copy(update={"write_key": tmp_path / name}) for name in ("plant-2", "plant-3")}
    for name in machines:
        keys.make_write_key(settings_of(place), tmp_path / name, name)
    library = Library(machines["plant-2"], tmp_path / "work")
    made = [library.add(day) for day in range(3)]
    hold(library.repository, library.workdir, made[0], reason="case 7", by="Ann")
    write_proved(library.repository, proof_of(made[1], 2))
    library.repository.log.append("backup", "success", version="1", snapshot=made[2])

    for revoking, revoked in ((place, "plant-2"), (machines["plant-3"], "plant-1")):
        keys.revoke_machine(settings_of(revoking), revoked)
        own = Library(revoking, tmp_path / revoked)
        fates = {fate.id: fate.keeps for fate in own.plan(last=1).fates}
        assert fates == {made[0]: ("held",), made[1]: ("proved",), made[2]: ("newest", "last")}
        assert own.repository.log.check().problems == ()
        # What the stolen key signs from now on counts for nothing.
        library.repository.log.append("prune", "success", version="1")
        late = library.repository.records.write("release", by="a thief", of=own.repository.records.read().by_id)
        assert own.repository.records.read().unreadable == (f"records/{late}.json",)
        (problem,) = own.repository.log.check().problems
        assert "with a key that entry" in problem
        own.repository.backend.remove(f"records/{late}.json")
        own.repository.backend.remove(f"log/{own.repository.log.last().number:012d}.json")  # type: ignore[union-attr]
        own.repository.log.accept()


def test_a_revoked_key_that_is_put_back_signs_no_entry_that_counts_and_revokes_nobody(
    place: RepositorySettings, tmp_path: Path
) -> None:
    """Whoever can write to the storage can put the file with the machines' keys back."""
    thief = place.model_copy(update={"write_key": tmp_path / "plant-2", "copies": None})
    keys.make_write_key(settings_of(place), tmp_path / "plant-2", "plant-2")
    Repository.open(thief).log.append("backup", "success", version="1")
    before = {name: data for name, data in files_of(place).items() if name.startswith("keys")}
    keys.revoke_machine(settings_of(place), "plant-2")
    for name, data in before.items():
        (Path(place.url) / name).write_bytes(data)
    log = Repository.open(thief).log
    owner = json.loads(Path(str(place.write_key)).read_text())
    mine = next(entry.signer for entry in log.backwards() if entry.machine == owner["machine"])
    log.append("prune", "success", version="1")
    log.append("key-revoke", "success", version="1", facts={"signers": [mine]})
    Repository.open(place).log.append("verify", "success", version="1")

    own = Repository.open(place).log
    counted = {f"{entry.event} by {entry.machine}": own.proves(entry) for entry in own.backwards()}

    assert counted == {
        f"verify by {owner['machine']}": True,
        "key-revoke by plant-2": False,
        "prune by plant-2": False,
        f"key-revoke by {owner['machine']}": True,
        f"key-writer by {owner['machine']}": True,
        "backup by plant-2": True,
    }
    assert any("was revoked, and its key is among" in problem for problem in own.check().problems)


def test_a_hold_that_counts_no_more_since_nothing_vouches_for_it_is_said_and_stops_prunes(
    place: RepositorySettings, tmp_path: Path
) -> None:
    """`key rotate --reencrypt` of an early release removed the record that vouched for it, and named it as replaced by an erasure."""
    second = place.model_copy(update={"write_key": tmp_path / "plant-2"})
    keys.make_write_key(settings_of(place), tmp_path / "plant-2", "plant-2")
    library = Library(second, tmp_path / "work")
    made = [library.add(day) for day in range(2)]
    hold(library.repository, library.workdir, made[0], reason="case 7", by="Ann")
    (held,) = library.repository.records.read().by_id
    keys.revoke_machine(settings_of(place), "plant-2")
    own = Library(place, tmp_path / "own")
    (vouching,) = {name for name, one in own.repository.records.read().by_id.items() if one.kind == "vouched"}
    own.repository.records.write("erasure", of=["0" * 64, vouching], body="AA==")
    own.repository.backend.remove(f"records/{vouching}.json")

    records = own.repository.records.read()

    (doubt,) = records.doubts()
    assert f"records/{held}.json (hold, " in doubt and "revoked" in doubt
    assert doubt in str(own.repository.survey().records.doubts())
    with pytest.raises(PruneRefused, match="revoked"):
        own.plan(last=1)
