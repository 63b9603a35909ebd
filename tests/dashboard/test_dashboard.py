"""The dashboard of a real repository: its numbers are those of the log and the snapshots, and nothing of it is executed."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest

from edms_tasks.errors import CommandError, EdmsBackupError
from edms_tasks.repository import Repository
from flows.dashboard import live
from flows.dashboard.figures import Collected, collect
from flows.dashboard.live import live_server
from flows.dashboard.site import write_site
from flows.listing import list_snapshots
from tests.backed_up import BackedUpSystems
from tests.dashboard.sample_history import HOSTILE, sample_history
from tests.running import Protected, run_backup

pytestmark = pytest.mark.usefixtures("edms_asked_once")


@pytest.fixture
def protected(backed_up: BackedUpSystems) -> Iterator[Protected]:
    yield backed_up("sqlite").protected


def data_of(folder: Path) -> dict[str, Any]:
    text = (folder / "data.js").read_text(encoding="ascii")
    found: dict[str, Any] = json.loads(text.removeprefix("window.EDMS_BACKUP = ").removesuffix(";\n"))
    return found


def test_its_numbers_are_those_of_the_repository(protected: Protected, tmp_path: Path) -> None:
    protected.edms.database_path.chmod(0o600)
    protected.backup()
    damaged = protected.edms.database_path.read_bytes()
    protected.edms.database_path.write_bytes(b"no database" * 500)
    with pytest.raises(EdmsBackupError):
        protected.backup()
    protected.edms.database_path.write_bytes(damaged)

    assert write_site(collect([protected.settings]), tmp_path / "site") == ()
    shown = data_of(tmp_path / "site")

    listing = list_snapshots(protected.settings)
    assert [one["id"] for one in shown["snapshots"]] == [one.id for one in listing.snapshots]
    assert [one["bytes"] for one in shown["snapshots"]] == [one.bytes for one in listing.snapshots]
    stored = Path(protected.settings.repository.url)
    (whole,) = shown["repositories"]
    on_disk = {path.name: path.stat().st_size for path in (stored / "objects").rglob("*") if path.is_file()}
    assert whole["stored"] == shown["snapshots"][-1]["total"] == sum(on_disk.values())
    assert [run["outcome"] for run in shown["runs"] if run["event"] == "backup"][-2:] == ["success", "failed"]
    (system,) = shown["systems"]
    assert system["ok"] is False
    assert "The last backup failed" in str(system["status"]["problems"])
    reports = {run["report"] for run in shown["runs"]} - {""}
    assert reports == {path.stem for path in (tmp_path / "site" / "reports").iterdir()}
    for path in (tmp_path / "site").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0


@pytest.mark.long
def test_each_edms_of_a_shared_repository_is_itself(protected: Protected, tmp_path: Path) -> None:
    ours = protected.settings
    office = ours.model_copy(
        update={"edms": ours.edms.model_copy(update={"id": "office"}), "workdir": tmp_path / "office"}
    )
    run_backup(office)

    dashboard = collect([ours, office]).dashboard

    assert len(dashboard.repositories) == 1
    newest = {one.edms: one.id for one in dashboard.snapshots}
    assert [one.id for one in dashboard.systems] == list(dict.fromkeys(one.edms for one in dashboard.snapshots))
    assert dashboard.systems[1].id == "office"
    assert [one.status.snapshot for one in dashboard.systems if one.status] == [
        newest[one.id] for one in dashboard.systems
    ]


def test_a_repository_that_cannot_be_read_is_said_and_hides_no_other_edms(protected: Protected, tmp_path: Path) -> None:
    protected.backup()
    away = protected.settings.model_copy(
        update={
            "repository": protected.settings.repository.model_copy(update={"url": str(tmp_path / "not mounted")}),
            "edms": protected.settings.edms.model_copy(update={"id": "the other"}),
        }
    )

    (said,) = write_site(collect([away, protected.settings]), tmp_path / "site", with_reports=False)

    shown = data_of(tmp_path / "site")
    other, own = shown["systems"]
    assert said.startswith("the other: There is no repository here.")
    assert (other["id"], other["status"], other["ok"], own["ok"]) == ("the other", None, False, True)
    assert "not known" in (tmp_path / "site" / "dashboard.js").read_text(encoding="utf-8")
    with pytest.raises(EdmsBackupError):
        collect([away])


def test_a_report_that_is_missing_is_said_and_hides_nothing_else(protected: Protected, tmp_path: Path) -> None:
    collected = collect([protected.settings])
    repository = Repository.open(protected.settings.repository)
    assert collected.reports
    for path in (Path(protected.settings.repository.url) / "reports").rglob("*"):
        if path.is_file():
            path.unlink()

    (problem,) = write_site(collected, tmp_path / "site")

    assert "reports cannot be read" in problem
    assert len(data_of(tmp_path / "site")["runs"]) == len(list(repository.log.backwards()))


def test_names_in_it_end_no_script(tmp_path: Path) -> None:
    write_site(Collected(sample_history(7), {}), tmp_path / "site")

    text = (tmp_path / "site" / "data.js").read_text(encoding="ascii")

    assert not re.search("[<>&]", text)
    assert HOSTILE in str(data_of(tmp_path / "site"))


def test_it_is_written_again_but_never_over_something_else(tmp_path: Path) -> None:
    write_site(Collected(sample_history(7), {}), tmp_path / "site")
    write_site(Collected(sample_history(8), {}), tmp_path / "site")
    other = tmp_path / "other"
    other.mkdir()
    (other / "index.html").write_text("mine")

    with pytest.raises(CommandError, match="something else"):
        write_site(Collected(sample_history(7), {}), other)
    assert (other / "index.html").read_text() == "mine"


def test_the_page_asks_nobody_else_for_anything(tmp_path: Path) -> None:
    write_site(Collected(sample_history(7), {}), tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")

    named = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert all((tmp_path / "site" / name).exists() for name in named if not name.startswith(("#", "data:")))
    assert "default-src 'none'" in page


@pytest.mark.parametrize("fresh_seconds", [30.0, -1.0])
def test_live_it_is_seen_on_this_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_seconds: float
) -> None:
    monkeypatch.setattr(live, "_FRESH_SECONDS", fresh_seconds)
    made: list[datetime] = []

    def make() -> None:
        made.append(datetime.now(UTC))

    write_site(Collected(sample_history(7), {}), tmp_path / "site")
    with live_server(tmp_path / "site", 0, make) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        assert server.server_address[0] == "127.0.0.1"
        assert "Backups" in httpx.get(f"{url}/").text
        assert httpx.get(f"{url}/", headers={"Host": "evil.example"}).status_code == 403
        assert httpx.get(f"{url}/reports/").status_code == 404
        assert httpx.get(f"{url}/../../etc/passwd").status_code == 404
        server.shutdown()
    assert len(made) == (0 if fresh_seconds > 0 else 1)


def test_live_it_says_why_it_cannot_be_made_anew_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_FRESH_SECONDS", -1.0)
    wrong = [CommandError("The settings are <being> edited.", why="Line 3.", fix="Correct it.")]

    def make() -> None:
        if wrong:
            raise wrong.pop()

    write_site(Collected(sample_history(7), {}), tmp_path / "site")
    with live_server(tmp_path / "site", 0, make) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        refused = httpx.get(url)
        assert (refused.status_code, "are &lt;being&gt; edited. Line 3. Correct it." in refused.text) == (503, True)
        assert httpx.get(url).status_code == 200
        server.shutdown()


def test_the_library_is_the_one_that_was_released() -> None:
    library = resources.files("flows.dashboard").joinpath("static", "echarts.common.min.js").read_bytes()

    assert hashlib.sha256(library).hexdigest() == "61f13280aba3161f77fc801bf5f9c786f55f10432153a0683fc5cc0700b013d5"
