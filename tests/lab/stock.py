"""Debian's own kernels, unmodified: their packages are unpacked into the cache, not installed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.lab.cache import LabError, folder

FLAVOUR = "cloud-amd64"
RELEASES = ("6.1", "6.12")


def stock_images(say: Callable[[str], None], releases: tuple[str, ...] = RELEASES) -> dict[str, Path]:
    """The image of each release that can be had, by its version (`6.12.117+deb12-cloud-amd64`)."""
    found = {}
    for release in releases:
        try:
            image = stock_image(release)
        except LabError as error:
            say(str(error))
        else:
            found[image.name.removeprefix("vmlinuz-")] = image
    return found


def stock_image(release: str) -> Path:
    """The newest image of a release: from the cache, else from Debian's archive. Raises `LabError`."""
    place = folder() / "stock" / release
    image = next(place.glob("boot/vmlinuz-*"), None)
    if image is not None:
        return image
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise LabError(f"no stock kernel {release}: this is not a Debian")
    package = _package(release)
    place.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["apt-get", "-q", "download", package], cwd=place, capture_output=True, check=False).returncode:
        raise LabError(f"apt-get cannot download {package}")
    archive = next(place.glob("*.deb"))
    subprocess.run(["dpkg-deb", "-x", str(archive), str(place)], check=True)
    archive.unlink()
    return next(place.glob("boot/vmlinuz-*"))


def _package(release: str) -> str:
    """The newest image package of the flavour, signed or not, by version."""
    done = subprocess.run(
        ["apt-cache", "search", "--names-only", rf"^linux-image-{release}\.[0-9].*-{FLAVOUR}(-unsigned)?$"],
        capture_output=True,
        text=True,
        check=False,
    )
    names = [line.split()[0] for line in done.stdout.splitlines()]
    if not names:
        raise LabError(f"no package linux-image-{release}*-{FLAVOUR}: apt-get update, or there is none for this Debian")
    return max(names, key=lambda name: [int(word) if word.isdigit() else 0 for word in _words(name)])


def _words(name: str) -> list[str]:
    return name.replace("+", ".").replace("-", ".").split(".")
