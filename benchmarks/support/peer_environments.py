"""The virtual environments of other packages, one each, so that none has to agree with ours or with another's.

They are made by `benchmarks/peers.py --install`, a gigabyte each and six for clip-retrieval; what is not there is left
out of a comparison, and said.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

DEFAULT = Path(tempfile.gettempdir()) / "imagecurator-peers"
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "usual": ("pillow==13.0.0", "torch==2.13.0", "transformers==5.24.0", "ray[data]==2.60.0"),
    "img2dataset": ("img2dataset==1.47.0",),
    "cleanvision": ("cleanvision==0.3.7",),
    # the second is asked for while it runs; it would install it then by itself
    "data-juicer": ("py-data-juicer==1.6.1", "aiohttp", "ray==2.60.0", "torch==2.13.0"),
    # its CLIP package imports `pkg_resources`, which newer ones lack
    "clip-retrieval": ("clip-retrieval==2.45.0", "torch==2.14.1", "torchvision==0.29.1", "setuptools>=77.0.3,<81"),
}
TOLD = {
    "usual": ("ray", "torch", "transformers", "pillow"),
    "img2dataset": ("img2dataset", "opencv-python-headless", "albumentations"),
    "cleanvision": ("cleanvision", "pillow", "ImageHash"),
    "data-juicer": ("py-data-juicer", "pillow"),
    "clip-retrieval": ("clip-retrieval", "open-clip-torch", "torch"),
}
"""Distributions whose versions a result names."""

_VERSIONS = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"


def python(folder: Path, name: str) -> Path:
    """The interpreter of an environment, whether it is there or not."""
    return folder / name / "bin" / "python"


def install(folder: Path, name: str) -> None:
    """Make an environment, or complete it.

    Raises:
        CalledProcessError: pip failed, and said why.
    """
    if not python(folder, name).exists():
        venv.create(folder / name, with_pip=True)
    subprocess.run([python(folder, name), "-m", "pip", "install", "--quiet", *ENVIRONMENTS[name]], check=True)


def versions(folder: Path, name: str) -> str:
    """What is in an environment, or "" where it is not whole."""
    if not python(folder, name).exists():
        return ""
    done = subprocess.run(
        [python(folder, name), "-c", _VERSIONS, *TOLD[name]], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def install_all(folder: Path) -> list[str]:
    """Make every environment; the names of those that failed."""
    failed = []
    for name in ENVIRONMENTS:
        try:
            install(folder, name)
        except subprocess.CalledProcessError:
            failed.append(name)
        sys.stderr.write(f"{name}: {versions(folder, name) or 'not installed'}\n")
    return failed
