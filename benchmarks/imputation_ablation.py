"""What each part of the papers' methods for missing entries is worth: one command, every table.

python benchmarks/imputation_ablation.py [--cases osmfish_stdiff,merfish] [--tables NAME,...]
    [--scale-to SECONDS | --epochs N --depth N] [--hide 0.3] [--draws 0] [--seed N]
    [--data FOLDER] [--markdown FILE] [--json FILE]

Tables: `strategy`, `phase`, `encoder`, `ratio` (stMCDI); `conditions`, `losses`, `cells`
(SpotDiff, with the case's reference). A share of all entries is hidden and scored per gene, then
averaged over genes: Pearson on any scale, cosine, RMSE and MAE of z-scores.
The method as printed is scaled to `--scale-to` seconds; the other rows of a case take the epochs,
depth, width, steps and learning rate that it came to, so that only the part differs. With
`--epochs` nothing is timed, and a learning rate of 1e-3 is taken. CRPS and coverage need `--draws`
of 16 or more. With `--json`, scores are kept in FILE as they are made, and those that are there
are not made again. With `--markdown`, the tables replace what stands in FILE between the lines
`<!-- ablation -->` and `<!-- end of ablation -->`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from console import listed, placed, say
from entries.ablation import CASES, Runs, Table, tables_of, there
from entries.spotdiff_tables import TABLES as SPOTDIFF
from entries.stmcdi_tables import TABLES as STMCDI
from stacks.cases import DATA

TABLES: dict[str, Table] = {**STMCDI, **SPOTDIFF}
_RATE = 1e-3


def _settings(said: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of every row."""
    out: dict[str, Any] = {"draws": said.draws, "device": said.device}
    if said.epochs:
        out |= {"epochs": said.epochs, "depth": said.depth, "sampler_steps": said.steps}
        out |= {"learning_rate": _RATE}
    return out


def main() -> None:
    """Run the rows of every table on every case and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", default="osmfish_stdiff,simulated")
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--scale-to", type=float, default=120.0)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20, help="sampling steps, with --epochs")
    parser.add_argument("--hide", type=float, default=0.3)
    parser.add_argument("--draws", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--json", type=Path)
    said = parser.parse_args()
    names = listed(said.tables)
    unknown = [n for n in names if n not in TABLES] + [
        n for n in listed(said.cases) if n not in CASES
    ]
    if unknown:
        parser.error(
            f"there is no {', '.join(unknown)}; tables: {', '.join(TABLES)}; "
            f"cases: {', '.join(CASES)}"
        )
    settings = _settings(said)
    protocol = settings | {"hide": said.hide, "seed": said.seed}
    protocol |= {} if said.epochs else {"scale_to": said.scale_to}
    runs, parts = Runs(said.json, protocol), []
    for name in listed(said.cases):
        if not there(name, said.data):
            say(f"{name}: its files are not in {said.data}; left out.")
            continue
        parts += tables_of(
            name,
            [TABLES[n] for n in names],
            runs,
            data=said.data,
            hide=said.hide,
            seed=said.seed,
            settings=settings,
            scale_to=said.scale_to,
        )
    tables = "\n\n".join(parts)
    print(tables)
    if said.markdown:
        text = said.markdown.read_text(encoding="utf-8") if said.markdown.exists() else ""
        said.markdown.write_text(placed(text, tables, "ablation"), encoding="utf-8")


if __name__ == "__main__":
    main()
