"""Makes docs/images from the simulated tissue: run `make docs-pictures`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
sys.path.insert(0, str(ROOT / "scripts"))

import demo  # noqa: E402

# Picture of the demo -> its name here.
KEPT = {
    "stack-above.png": "stack-above.png",
    "stack-below.png": "stack-below.png",
    "virtual-beside-truth.png": "virtual-beside-truth.png",
    "virtual-beside-truth_window.png": "docks.png",
}


def main() -> None:
    """Make every picture of the docs."""
    demo.quiet()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "demo"
        tissue, hidden, caption = demo.fit(work)
        demo.open_window(tissue, hidden, caption, work, watched=False).close()
        IMAGES.mkdir(exist_ok=True)
        for source, target in KEPT.items():
            shrink(work / source, IMAGES / target)


def shrink(source: Path, target: Path, width: int = 1200) -> None:
    """Write a small PNG: at most `width` pixels wide, 256 colours."""
    image = Image.open(source).convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)))
    image.quantize(256, method=Image.Quantize.MAXCOVERAGE).save(target, optimize=True)
    print(f"{target.relative_to(ROOT)}: {target.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
