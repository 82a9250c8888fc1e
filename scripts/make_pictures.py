"""Make the pictures of docs/pictures: the report, the review page and the view of what `make demo` makes.

Needs Chromium (scripts/install_chromium.sh) and what `make test` installs. Run it after `make demo`.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from browser import SWITCHES, find_chromium  # noqa: E402

DEMO = ROOT / "outputs" / "demo"
PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1000, "height": 760}
RUNS = ("agreement_135m.run", "agreement_135m-q8.run")


@contextmanager
def served(*arguments: str) -> Iterator[str]:
    """A local page of Grace; its address."""
    command = [sys.executable, "-u", "-m", "grace", *arguments, "--no-browser"]
    with subprocess.Popen(command, cwd=DEMO, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield next(found[0] for line in server.stdout if (found := re.search(r"http://127\S+", line)))
        finally:
            server.terminate()


def shoot(page: Page, name: str) -> None:
    """A picture of what the page shows."""
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")


def main() -> None:
    """Make all pictures."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(SWITCHES))
        page = browser.new_page(viewport=SIZE)
        page.goto((DEMO / "report.html").as_uri())
        page.locator("#agreement-second").scroll_into_view_if_needed()
        page.evaluate("document.getElementById('agreement-second').scrollIntoView()")
        shoot(page, "report")
        with served("review", "agreement_135m_structured.run", "--all", "--by", "Ada Lovelace") as address:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            shoot(page, "review")
        with served("view", *RUNS) as address:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            shoot(page, "view")
        browser.close()


if __name__ == "__main__":
    main()
