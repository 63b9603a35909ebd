"""The evidence of a period: an auditor checks it with VERIFY.md and standard tools, and finds what was forged."""

from __future__ import annotations

import base64
import errno
import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edms_tasks.errors import CommandError, EdmsBackupError, ToolMissing
from edms_tasks.evidence.log_facts import LogFacts
from edms_tasks.manifest import ConvertedFrom
from edms_tasks.repository import Repository
from flows.auditing.bundle import bundle_evidence
from flows.cli.app import app
from flows.evidence.repository_log import append_entry
from tests.reference_system import EdmsTemplates
from tests.running import Protected, encrypt, protect, run_backup, run_verify

DAYS = ("2026-01-01", "2099-12-31")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory, _edms_templates: EdmsTemplates) -> Protected:
    """An encrypted, signed repository with a backup, a failed backup and a verification."""
    folder = tmp_path_factory.mktemp("signed")
    edms = _edms_templates.copy(_edms_templates.get("sqlite", 2, 1), folder / "edms", "signed")
    protected = encrypt(protect(edms, folder / "protected"))
    run_backup(protected.settings, reason='CHG-7 "quoted" <b>é</b>')
    whole = edms.database_path.read_bytes()
    edms.database_path.write_bytes(b"no database")
    with pytest.raises(EdmsBackupError):
        run_backup(protected.settings)
    edms.database_path.write_bytes(whole)
    run_verify(protected.settings)
    return protected


@pytest.fixture(scope="module")
def bundle(signed: Protected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("inspection") / "evidence"
    made = bundle_evidence(signed.settings, *DAYS, out)
    assert (made.problems, made.runs, made.reports) == ((), 3, 3)
    return out


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def steps(folder: Path) -> list[str]:
    """The blocks of VERIFY.md, in their order."""
    return re.findall(r"^```sh\n(.*?)^```", (folder / "VERIFY.md").read_text(), flags=re.MULTILINE | re.DOTALL)


def follow(folder: Path, shell: str = "sh") -> list[str]:
    """What each step says, with the tools of the system alone."""
    return [_said(folder, shell, step) for step in steps(folder)]


def follow_one(folder: Path, number: int) -> str:
    """What one step says; none needs another."""
    return _said(folder, "sh", steps(folder)[number - 1])


def _said(folder: Path, shell: str, step: str) -> str:
    environment = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [shell, "-c", step], cwd=folder, env=environment, capture_output=True, text=True, check=False
    ).stdout.strip()


@pytest.mark.parametrize("shell", ["sh", pytest.param("bash", marks=pytest.mark.long)])
def test_the_page_for_auditors_works_word_for_word(bundle: Path, shell: str) -> None:
    said = follow(bundle, shell)
    assert [text.splitlines()[-1] for text in said] == ["OK"] * 6
    assert [json.loads(line)[2:4] for line in said[5].splitlines()[:-1]] == [
        ["backup", "success"],
        ["backup", "failed"],
        ["verify", "success"],
    ]


def _sums_anew(folder: Path) -> None:
    subprocess.run(
        "find . -type f ! -name SHA256SUMS -exec sha256sum {} + > SHA256SUMS", shell=True, cwd=folder, check=True
    )


def _first(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def _report(folder: Path) -> None:
    path = _first(folder, "reports/*.json")
    path.write_bytes(path.read_bytes().replace(b"Backed up", b"Packed up"))


def _page(folder: Path) -> None:
    path = _first(folder, "reports/*.html")
    path.write_bytes(path.read_bytes().replace(b"Backed up", b"Packed up"))


def _entry(folder: Path) -> None:
    path = sorted(folder.glob("log/*.json"))[1]
    path.write_text(path.read_text().replace('"failed"', '"success"'))


def _last_entry(folder: Path) -> None:
    path = sorted(folder.glob("log/*.json"))[-1]
    path.write_text(path.read_text().replace('"success"', '"failed"'))


def _missing_entry(folder: Path) -> None:
    sorted(folder.glob("log/*.json"))[1].unlink()


def _first_entry(folder: Path) -> None:
    _first(folder, "log/*.json").unlink()
    for path in folder.glob("*/000000000001*"):
        path.unlink()


def _removed_report(folder: Path) -> None:
    for path in folder.glob("reports/000000000002*"):
        path.unlink()


def _report_of_nothing(folder: Path) -> None:
    (folder / "reports" / "000000000009-drill.json").write_text("{}")


def _all_anew_without_keys(folder: Path) -> None:
    """What somebody without any key can do: another outcome, and everything that hangs on it written anew."""
    before = ""
    for path in sorted(folder.glob("log/*.json")):
        entry = json.loads(path.read_text().replace('"failed"', '"success"'))
        entry |= {"before": before or entry["before"], "signer": "", "signature": ""}
        path.write_text(json.dumps(entry))
        before = hashlib.sha256(path.read_bytes()).hexdigest()
        number = entry["number"]
    (folder / "WITNESS").write_text(f"{number}:{before}\n")
    for path in (*folder.glob("signatures/*"), *folder.glob("keys/*")):
        path.unlink()


def _unsigned(folder: Path) -> None:
    shutil.rmtree(folder / "signatures")


def _message(folder: Path) -> None:
    path = _first(folder, "signatures/*.message")
    path.write_text(path.read_text().replace("success", "failed"))


def _signature(folder: Path) -> None:
    one, other = sorted(folder.glob("signatures/*.sig"))[:2]
    one.write_bytes(other.read_bytes())


def _key(folder: Path) -> None:
    path = _first(folder, "keys/*.pem")
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", "private.pem"], cwd=folder, check=True)
    subprocess.run(["openssl", "pkey", "-in", "private.pem", "-pubout", "-out", str(path)], cwd=folder, check=True)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def test_a_key_of_another_kind_that_ends_in_the_bytes_of_the_signer_is_another_key(copy: Path) -> None:
    """An RSA key whose exponent is the machine's Ed25519 key: whoever makes it knows the private one (an outsider did)."""
    path = _first(copy, "keys/*.pem")
    exponent, modulus = bytes.fromhex(path.stem), b"\x00" + b"\xf1" * 256
    numbers = _der(0x30, _der(2, modulus) + _der(2, b"\x00" * (exponent[0] >> 7) + exponent))
    rsa = _der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    spki = _der(0x30, rsa + _der(3, b"\x00" + numbers))
    path.write_text(f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(spki).decode()}-----END PUBLIC KEY-----\n")
    shown = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", str(path), "-outform", "DER"], capture_output=True, check=True
    )
    assert shown.stdout.endswith(exponent)
    assert follow_one(copy, 4) == f"FORGED: keys/{path.name} is another key"


@pytest.mark.parametrize(
    ("forge", "step"),
    [
        (_report, 3),
        (_page, 3),
        (_entry, 2),
        (_last_entry, 2),
        (_missing_entry, 2),
        (_first_entry, 2),
        (_removed_report, 3),
        (_report_of_nothing, 3),
        (_all_anew_without_keys, 4),
        (_unsigned, 4),
        (_message, 4),
        (_signature, 4),
        (_key, 4),
    ],
)
def test_what_was_forged_is_found_by_the_steps(copy: Path, forge: Callable[[Path], None], step: int) -> None:
    forge(copy)
    assert (
        "OK" not in follow_one(copy, 1) or forge is _report_of_nothing
    )  # sums say nothing of files that they do not name
    _sums_anew(copy)  # as a forger would
    assert not follow_one(copy, step).endswith("OK")


def test_the_index_names_runs_people_reasons_and_gaps(bundle: Path) -> None:
    page = (bundle / "index.html").read_text()
    assert "CHG-7 &#34;quoted&#34; &lt;b&gt;é&lt;/b&gt;" in page
    assert "Days without a drill or restore that proved a snapshot" in page
    for name in re.findall(r'href="([^"]+)"', page):
        assert (bundle / name).is_file()
    assert page.count("<a href") == 3
    assert json.loads(_first(bundle, "reports/*.json").read_text())["run"]["reason"].startswith("CHG-7")


def test_a_zip_has_the_same(signed: Protected, bundle: Path, tmp_path: Path) -> None:
    arguments = ["--config", str(signed.config), "evidence", "--from", DAYS[0], "--to", DAYS[1], "--json"]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "q1.zip")])

    assert (done.exit_code, json.loads(done.stdout)["reports"]) == (0, 3)
    with zipfile.ZipFile(tmp_path / "q1.zip") as packed:
        names = {name.partition("/")[2] for name in packed.namelist() if not name.endswith("/")}
    assert names == {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    assert CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "q1.zip")]).exit_code == 2


def test_a_zip_that_does_not_fit_leaves_nothing(
    signed: Protected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("flows.auditing.bundle.shutil.copyfileobj", full)
    with pytest.raises(CommandError, match="The evidence cannot be written"):
        bundle_evidence(signed.settings, *DAYS, tmp_path / "out" / "q1.zip")
    assert not list((tmp_path / "out").iterdir())


def test_one_report_is_shown_and_written_as_page_and_pdf(signed: Protected, tmp_path: Path) -> None:
    arguments = ["--config", str(signed.config), "log"]
    shown = CliRunner().invoke(
        app, [*arguments, "1", "--html", str(tmp_path / "1.html"), "--pdf", str(tmp_path / "1.pdf")]
    )

    assert shown.exit_code == 0, shown.output
    for told in ("Backed up", "CHG-7", "verdict"):
        assert told in shown.stdout
    assert "CHG-7" in (tmp_path / "1.html").read_text()
    refused = CliRunner().invoke(app, [*arguments, "2"]).stdout
    assert "where: " in refused
    assert "is not a database" in refused
    pdf = (tmp_path / "1.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-1.7")
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("1.html", "1.pdf")} == {0o600}
    assert CliRunner().invoke(app, [*arguments, "99"]).exit_code == 2
    assert CliRunner().invoke(app, [*arguments, "--html", str(tmp_path / "x.html")]).exit_code == 2


def test_without_the_library_no_pdf_is_made_and_it_is_said_how_to_get_it(
    signed: Protected, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(ToolMissing, match=r"edms-backup\[pdf\]"):
        bundle_evidence(signed.settings, *DAYS, tmp_path / "none", pdf=True)
    assert not (tmp_path / "none").exists()


def test_a_period_without_runs_says_so_and_can_be_checked(signed: Protected, tmp_path: Path) -> None:
    made = bundle_evidence(signed.settings, "2026-01-01", "2026-01-31", tmp_path / "empty")
    assert (made.runs, made.gaps.unverified) == (0, ("2026-01-01 to 2026-01-31 (31 days)",))
    said = follow(tmp_path / "empty")
    assert [text.splitlines()[-1] for text in said] == ["OK"] * 6
    assert said[5] == "OK"


@pytest.mark.parametrize(
    "days", [("2026-13-01", "2026-12-31"), ("2026-03-01", "2026-02-01"), ("2000-01-01", "2020-01-01")]
)
def test_what_is_no_period_is_refused(signed: Protected, tmp_path: Path, days: tuple[str, str]) -> None:
    with pytest.raises(CommandError):
        bundle_evidence(signed.settings, *days, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_other_edms_of_the_repository_close_no_gap(signed: Protected, tmp_path: Path) -> None:
    settings = signed.settings
    other = settings.model_copy(update={"edms": settings.edms.model_copy(update={"id": "other"})})
    made = bundle_evidence(other, *DAYS, tmp_path / "other")
    own = bundle_evidence(settings, *DAYS, tmp_path / "own")
    assert (made.runs, own.runs) == (3, 3)
    today = str(own.period.last)
    assert today not in own.gaps.unverified[-1]
    assert today in made.gaps.unverified[-1]
    page = (tmp_path / "other" / "index.html").read_text()
    assert "of other EDMSs in the same repository are listed too" in page


def test_a_restore_of_a_converted_snapshot_is_a_run_of_the_edms_and_closes_no_gap(
    signed: Protected, tmp_path: Path
) -> None:
    own = signed.settings.repository
    url, copies = tmp_path / "repository", tmp_path / "copies"
    shutil.copytree(own.url, url)
    shutil.copytree(str(own.copies), copies)
    place = own.model_copy(update={"url": str(url), "copies": copies})
    settings = signed.settings.model_copy(update={"repository": place})
    repository = Repository.open(place)
    (backup,) = repository.survey().intact.values()
    old = ConvertedFrom(format="dumpdata", name="old.json", bytes=1, exact=False, losses=0)
    apart = backup.model_copy(update={"converted": old, "previous": None, "number": None})
    snapshot = repository.write_snapshot(apart.to_json())
    facts = LogFacts(True, snapshot=snapshot, facts={"promoted": True, "verdict": "proved"})
    append_entry(repository, settings, "restore", "success", facts)

    made = bundle_evidence(settings, *DAYS, tmp_path / "evidence")

    page = (tmp_path / "evidence" / "index.html").read_text()
    assert "of other EDMSs" not in page
    assert "<b>1</b><span>replaced or changed the live system</span>" in page
    assert str(made.period.last) in made.gaps.unproved[-1]
