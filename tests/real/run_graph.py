"""The picture of a run in `docs/architecture.md`: a backup recorded by a real Prefect server, seen in a real browser.

`python -m tests.real.run_graph docs/pictures` needs Chromium and the package playwright, which nothing else here needs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.inventory.small_project import small_project
from tests.prefect_server import Server, prefect_server
from tests.real.browser import empty_page

_MODELS = """
class Document(models.Model):
    number = models.CharField(max_length=20, unique=True)

class Version(models.Model):
    document = models.ForeignKey(Document, on_delete=models.PROTECT)
    label = models.CharField(max_length=20)
"""
_ROWS = "Version.objects.create(document=Document.objects.create(number='SOP-0001'), label='1.0')"
_SETTINGS = "INSTALLED_APPS = ['small']; MEDIA_ROOT = str(BASE / 'media')"


def draw(folder: Path) -> None:
    """Write `run-graph.png` into `folder`."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        project = home / "edms"
        small_project(project, _MODELS, _ROWS, settings=_SETTINGS)
        (project / "media").mkdir()
        config = home / "edms-backup.toml"
        config.write_text(
            f'workdir = "{home / "work"}"\n[edms]\nproject = "{project}"\nsettings = "small_settings"\n'
            f'python = "{sys.executable}"\n[repository]\nurl = "{home / "repository"}"\n',
            encoding="utf-8",
        )
        with prefect_server(home / "prefect", config) as server:
            command = [sys.executable, "-m", "flows.cli.app", "--config", str(config), "backup"]
            subprocess.run(command, env=server.env, check=True)
            _photograph(server, folder / "run-graph.png")


def _photograph(server: Server, picture: Path) -> None:
    (run,) = server.ask("/flow_runs/filter")
    with empty_page(1600, 900) as page:
        page.goto(f"{str(server.api.base_url).removesuffix('/api/')}/runs/flow-run/{run['id']}")
        page.locator(".flow-run-graph").first.wait_for(timeout=120_000)
        page.wait_for_load_state("networkidle")
        page.keyboard.press("f")  # the whole window
        page.locator("[class*=graph] button").last.click()  # its settings
        page.get_by_text("Dependency grid").click()
        page.mouse.click(100, 500)
        page.keyboard.press("c")  # all of it in view
        page.wait_for_timeout(3_000)  # it moves there
        page.screenshot(path=picture)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
