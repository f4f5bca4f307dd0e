"""A headless Chromium with one page, through Playwright.

It is the system's, or the one that the environment variable CHROMIUM names; none is ever downloaded. It is offline, has
a profile that is thrown away, and dies with this process.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgefashion.errors import NotAvailable
from edgefashion.files import atomic_write

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TIMEOUT_MS = 120_000
_VERSION_TIMEOUT_S = 20.0


class ScriptFailed(Exception):  # noqa: N818 - reads as the sentence it stands for
    """What a page was asked threw an error; the message is its first line."""


def find_browser() -> str:
    """The Chromium that sessions start.

    Raises:
        NotAvailable: There is none.
    """
    chosen = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, [chosen] if chosen else _BROWSERS)), None)
    if found is None:
        what = f"CHROMIUM is {chosen}, which is no program" if chosen else f"there is none of {', '.join(_BROWSERS)}"
        raise NotAvailable(f"it needs a Chromium, and {what}: install one (Debian: apt-get install chromium)")
    return found


def browser_version() -> str:
    """What the browser says about itself, as "Chromium 156.0.1".

    Raises:
        NotAvailable: There is none, or it does not run.
    """
    try:
        done = subprocess.run(
            [find_browser(), "--version"], capture_output=True, text=True, check=True, timeout=_VERSION_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotAvailable(f"the browser does not run: {error}") from error
    return " ".join(done.stdout.split()[:2])


@contextmanager
def opened(content: bytes) -> Iterator[Any]:
    """A page with `content`, opened from a file in a Chromium of its own: Playwright's `Page`.

    Raises:
        NotAvailable: There is no Chromium, or it does not start.
    """
    from playwright.sync_api import Error

    browser = find_browser()
    with _temporary_folder() as folder, driver() as playwright:
        path = folder / "page.html"
        atomic_write(path, content)
        try:
            context = playwright.chromium.launch_persistent_context(
                folder / "profile",
                executable_path=browser,
                headless=True,
                offline=True,
                # Chromium refuses to build its sandbox for the superuser.
                chromium_sandbox=os.geteuid() != 0,
                timeout=_TIMEOUT_MS,
            )
        except Error as error:
            raise NotAvailable(f"{browser} does not start: {error.message.strip().splitlines()[0]}") from error
        with context:
            page = context.pages[0]
            page.set_default_timeout(_TIMEOUT_MS)
            page.goto(path.as_uri())
            path.unlink()  # it is in the browser's memory
            yield page


def evaluate(page: Any, script: str, given: object = None) -> Any:
    """What `script`, a function in JavaScript, returns of `given`; a promise is waited for.

    Raises:
        ScriptFailed: It threw an error.
    """
    from playwright.sync_api import Error

    try:
        return page.evaluate(script, given)
    except Error as error:
        raise ScriptFailed(error.message.splitlines()[0]) from error


@contextmanager
def driver() -> Iterator[Any]:
    """Playwright, once in a process however many sessions there are: a second one in the same thread is refused."""
    from playwright.sync_api import sync_playwright

    playwright = _users[0] if _users else sync_playwright().start()
    _users.append(playwright)
    try:
        yield playwright
    finally:
        _users.pop()
        if not _users:
            playwright.stop()


# Playwright, as often as it is in use.
_users: list[Any] = []


# What is stopped does not see that its input has ended, and a measurement stops its workers: Playwright's driver would
# stay, and Chromium with it. Chromium may go on writing until it has ended.
_SWEEP = """cat >/dev/null
kill -s CONT -- "-$2" 2>/dev/null
for second in 1 2 3 4 5 6 7 8; do sleep 1; rm -rf -- "$1"; done"""


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that, like Chromium, does not outlive this process, even if that is killed.

    Who measures kills its workers. A shell in a session of its own waits until its input ends, which it does with this
    process, and then sweeps up.
    """
    folder = tempfile.mkdtemp(prefix="edgefashion-web-")
    sweeper = subprocess.Popen(
        ["/bin/sh", "-c", _SWEEP, "sh", folder, str(os.getpgrp())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(sweeper.pid, signal.SIGKILL)
        sweeper.communicate()
