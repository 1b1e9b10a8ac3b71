"""Hide sections of real and simulated stacks, predict them by every method, and compare.

    python benchmarks/interpolation.py [--json FILE] [--markdown FILE] [--figures DIR]

Every (data set, hidden section, distance, method, seed) is run once, in a process of its own, and
kept in the work folder; the command can be stopped and started again at any time. A run that fails
is recorded and does not stop the others. The report is made of what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # equal terms; small networks gain nothing by more

from console import beside, listed, say, write
from stacks.cases import ALL, DATA, DATASETS

WORK = Path(__file__).resolve().parent / "results"
QUICK = ("linear", "typed-knn", "typed-donor")


def main(said: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(said)
    if args.unit:
        from stacks.unit import Unit, run_unit

        run_unit(Unit.parse(args.unit), args.data, args.work)
        return 0
    if args.sweep_unit:
        from stacks.cases import Case
        from stacks.sweeps import run_sweep

        run_sweep(Case(**json.loads(args.sweep_unit)), args.data, args.work)
        return 0
    from stacks import runner
    from stacks.bars import bars, spoken
    from stacks.summary import gather
    from stacks.tables import as_json, as_markdown

    datasets = listed(args.only) or (["quick"] if args.quick else list(DATASETS))
    methods = listed(args.methods) or list(QUICK if args.quick else runner.default_methods())
    wrong = [d for d in datasets if d not in ALL]
    wrong += [m for m in methods if m not in runner.known_methods()]
    if wrong:
        print(f"Not known: {', '.join(wrong)}.", file=sys.stderr)
        print(f"Data sets: {', '.join(ALL)}.", file=sys.stderr)
        print(f"Methods: {', '.join(runner.known_methods())}.", file=sys.stderr)
        return 2
    seeds = [int(s) for s in listed(args.seeds)]
    units = runner.plan(
        datasets,
        methods,
        seeds,
        args.tier,
        args.draws,
        args.scale_to,
        args.full_limit,
        args.data,
        args.work,
        say,
    )
    if not args.report:
        limit = 3600 * args.limit
        again = args.retry
        runner.run(units, args.data, args.work, say, jobs=args.jobs, limit=limit, again=again)
    accounts = gather(units, args.work)
    if not accounts:
        print("Nothing was run, so there is nothing to report.", file=sys.stderr)
        return 1
    pictures: list[Path] = []
    if args.figures:
        from stacks.figures import draw_figures

        if not args.report:
            runner.sweep(accounts, listed(args.sweep), args.data, args.work, say)
        pictures = draw_figures(accounts, args.figures, args.work, say)
    if args.json:
        write(args.json, json.dumps(as_json(accounts), indent=1) + "\n")
    names = beside(pictures, args.markdown)
    report = as_markdown(accounts, names)
    if args.markdown:
        write(args.markdown, report)
        print("\n".join(spoken(bars(accounts))))
    else:
        print(report)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="everything as JSON")
    add("--markdown", type=Path, metavar="FILE", help="the report as Markdown, not on the screen")
    add("--figures", type=Path, metavar="DIR", help="folder for pictures (benchmark-*.png)")
    add(
        "--sweep",
        default="merfish,starmap",
        metavar="DATASET,..",
        help="with --figures, also sweep lambda on one section of these (default: %(default)s)",
    )
    add("--only", default="", metavar="DATASET,..", help=f"of: {', '.join(ALL)}")
    add("--methods", default="", metavar="ID,..", help="default: every one")
    add("--seeds", default="0,1", metavar="N,..", help="default: 0,1")
    add("--tier", choices=("auto", "A", "B", "C"), default="auto", help="what is given")
    add("--draws", type=int, default=16, help="draws a cell (default: 16)")
    add("--quick", action="store_true", help="a small simulated tissue and three quick baselines")
    add("--report", action="store_true", help="run nothing; report what is there")
    add("--retry", action="store_true", help="run again what ended with an error")
    add("--jobs", type=int, default=1, help="units at a time; seconds are honest with 1")
    add("--limit", type=float, default=4.0, metavar="HOURS", help="for one unit (default: 4)")
    add(
        "--scale-to",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="for a paper's configuration that would take too long (default: 600)",
    )
    add(
        "--full-limit",
        type=float,
        default=3600.0,
        metavar="SECONDS",
        help="how long is too long (default: 3600)",
    )
    add("--data", type=Path, default=DATA, metavar="DIR", help="folder with the .h5ad files")
    add("--work", type=Path, default=WORK, metavar="DIR", help="folder of the finished units")
    add("--unit", default="", help=argparse.SUPPRESS)
    add("--sweep-unit", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
