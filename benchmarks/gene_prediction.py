"""Hide genes of real and simulated tissue, predict them by every method and peer, and compare.

    python benchmarks/gene_prediction.py [--json FILE] [--markdown FILE] [--figures DIR]

Every (pair, method, fold) is run once and kept in the work folder; slow methods have a process
for each fold, quick ones a process for all. The command can be stopped and started again at any
time. A run that fails is recorded and does not stop the others. The report is made of what is
there. Peers take part where they are installed (``pip install -c constraints.txt '.[peers]'``).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # equal terms, and peers that ask for all cores

from console import beside, listed, say, write
from genes.cases import ALL, DATA, PAIRS

WORK = Path(__file__).resolve().parent / "results" / "genes"
QUICK = ("ridge", "knn", "gene-kernel-ridge")


def main(said: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(said)
    if args.units:
        from genes.unit import Unit, run_units

        run_units([Unit.parse(u) for u in json.loads(args.units)], args.data, args.work)
        return 0
    if args.timing:
        from genes.studies import Timing, run_timing

        run_timing(Timing(**json.loads(args.timing)), args.work)
        return 0
    from genes import runner
    from genes.bars import bars, spoken
    from genes.studies import Timing, timed
    from genes.summary import OURS, gather
    from genes.tables import as_json, as_markdown

    pairs = listed(args.cases) or (["quick"] if args.quick else list(PAIRS))
    methods = listed(args.methods) or list(QUICK if args.quick else runner.default_methods())
    if not args.methods and not args.quick:  # what a peer left before is part of the report
        methods = runner.with_results(methods, pairs, args.work)
    wrong = [p for p in pairs if p not in ALL]
    wrong += [m for m in methods if m not in runner.known_methods()]
    if wrong:
        print(f"Not known: {', '.join(wrong)}.", file=sys.stderr)
        print(f"Pairs: {', '.join(ALL)}.", file=sys.stderr)
        print(f"Methods: {', '.join(runner.known_methods())}.", file=sys.stderr)
        return 2
    units = runner.plan(
        pairs,
        methods,
        folds=args.folds,
        seed=args.seed,
        draws=args.draws,
        scale_to=args.scale_to,
        data=args.data,
        say=say,
    )
    shares = [float(share) for share in listed(args.removed)]
    fewer = runner.thinned(units, shares, args.thin_slow)
    numbers = [int(n) for n in listed(args.steps)]
    steps = runner.stepped(units, OURS, numbers, listed(args.steps_cases))
    timing = Timing()
    if not args.report:
        limit, again = 3600 * args.limit, args.retry
        everything = [*units, *(u for some in steps.values() for u in some), *fewer]
        there = runner.installed(everything, say)
        runner.run(there, args.data, args.work, say, jobs=args.jobs, limit=limit, again=again)
        if OURS in methods and not args.quick:
            runner.time_alone(timing, args.data, args.work, say)
    accounts = gather(units, fewer, steps, args.work, args.data)
    if not accounts:
        print("Nothing was run, so there is nothing to report.", file=sys.stderr)
        return 1
    found = timed(timing, args.work)
    pictures: list[Path] = []
    if args.figures:
        from genes.figures import draw_figures

        pictures = draw_figures(accounts, args.figures, args.work, args.data, say)
    if args.json:
        write(args.json, json.dumps(as_json(accounts, found), indent=1) + "\n")
    names = beside(pictures, args.markdown)
    report = as_markdown(accounts, found, names)
    if args.markdown:
        write(args.markdown, report)
        print("\n".join(spoken(bars(accounts, found))))
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
    add("--figures", type=Path, metavar="DIR", help="folder for pictures (benchmark-genes-*.png)")
    add("--cases", default="", metavar="PAIR,..", help=f"of: {', '.join(ALL)}")
    add("--methods", default="", metavar="ID,..", help="default: every one that can run here")
    add("--folds", type=int, default=5, help="of the shared genes (default: 5)")
    add("--seed", type=int, default=0, help="of folds and methods (default: 0)")
    add("--draws", type=int, default=32, help="draws a cell (default: 32)")
    add(
        "--removed",
        default="0.1,0.3,0.5,0.7",
        metavar="SHARE,..",
        help="of the tissue's counts; empty for none (default: %(default)s)",
    )
    add("--thin-slow", action="store_true", help="peers and the paper's model with fewer counts")
    add(
        "--steps",
        default="8,1000",
        metavar="N,..",
        help="sampling steps of the default model to compare; empty for none",
    )
    add("--steps-cases", default="", metavar="PAIR,..", help="pairs for --steps; default: all")
    add("--quick", action="store_true", help="a small simulated tissue and three quick baselines")
    add("--report", action="store_true", help="run nothing; report what is there")
    add("--retry", action="store_true", help="run again what ended with an error")
    add("--jobs", type=int, default=1, help="processes at a time; seconds are honest with 1")
    add("--limit", type=float, default=2.0, metavar="HOURS", help="for a process (default: 2)")
    add(
        "--scale-to",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for a fold of the paper's configuration (default: 60)",
    )
    add("--data", type=Path, default=DATA, metavar="DIR", help="folder with the .h5ad files")
    add("--work", type=Path, default=WORK, metavar="DIR", help="folder of the finished units")
    add("--units", default="", help=argparse.SUPPRESS)
    add("--timing", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
