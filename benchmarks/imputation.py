"""Hide measured entries of real and simulated tissue, fill them in by every method, and compare.

    python benchmarks/imputation.py [--json FILE] [--markdown FILE] [--figures DIR]

Every (case, protocol, method) is run once and kept in the work folder; papers' configurations and
peers have a process each, quick methods of a case share one. The command can be stopped and
started again at any time. A run that fails is recorded and does not stop the others. The report
is made of what is there. Peers take part where they are installed
(``pip install -c constraints.txt '.[peers]'``).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # equal terms, and peers that ask for all cores

from console import beside, listed, say, write
from entries.cases import ALL, CASES, DATA, PROTOCOLS

WORK = Path(__file__).resolve().parent / "results" / "entries"
QUICK = ("mean", "spatial-knn", "soft-svd")
SWEPT = ("osmfish_stdiff", "starmap")


def main(said: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(said)
    if args.units:
        from entries.unit import Unit, run_units

        run_units([Unit.parse(u) for u in json.loads(args.units)], args.data, args.work)
        return 0
    from entries import runner
    from entries.bars import bars, spoken
    from entries.summary import gather
    from entries.tables import as_json, as_markdown

    cases = listed(args.cases) or (["quick"] if args.quick else list(CASES))
    methods = listed(args.methods) or list(QUICK if args.quick else runner.default_methods())
    protocols = listed(args.protocols)
    if not args.methods and not args.quick:  # what a peer left before is part of the report
        methods = runner.with_results(methods, cases, args.work)
    wrong = [c for c in cases if c not in ALL] + [p for p in protocols if p not in PROTOCOLS]
    wrong += [m for m in methods if m not in runner.known_methods()]
    if wrong:
        print(f"Not known: {', '.join(wrong)}.", file=sys.stderr)
        print(f"Cases: {', '.join(ALL)}.", file=sys.stderr)
        print(f"Protocols: {', '.join(PROTOCOLS)}.", file=sys.stderr)
        print(f"Methods: {', '.join(runner.known_methods())}.", file=sys.stderr)
        return 2
    here = runner.there(cases, args.data, say)
    said_of = {"seed": args.seed, "draws": args.draws, "scale_to": args.scale_to}
    units = runner.plan(here, protocols, methods, **said_of)
    shares = [int(share) for share in listed(args.shares)]
    swept = runner.sweep([c for c in listed(args.sweep) if c in here], methods, shares, args.seed)
    if not args.report:
        everything = runner.installed([*units, *swept], say)
        limit, again = 3600 * args.limit, args.retry
        runner.run(everything, args.data, args.work, say, jobs=args.jobs, limit=limit, again=again)
    accounts = gather(units, swept, args.work)
    if not accounts:
        print("Nothing was run, so there is nothing to report.", file=sys.stderr)
        return 1
    pictures: list[Path] = []
    if args.figures:
        from entries.figures import draw_figures

        pictures = draw_figures(accounts, args.figures, args.work, args.data, say)
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
    add("--figures", type=Path, metavar="DIR", help="folder for pictures (benchmark-impute-*.png)")
    add("--cases", default="", metavar="CASE,..", help=f"of: {', '.join(ALL)}")
    add(
        "--protocols",
        default=",".join(PROTOCOLS),
        metavar="ID,..",
        help="how entries are hidden (default: %(default)s)",
    )
    add("--methods", default="", metavar="ID,..", help="default: every one that can run here")
    add("--seed", type=int, default=0, help="of what is hidden and methods (default: 0)")
    add("--draws", type=int, default=32, help="draws an entry (default: 32)")
    add(
        "--sweep",
        default=",".join(SWEPT),
        metavar="CASE,..",
        help="cases to sweep the share that is hidden on; empty for none (default: %(default)s)",
    )
    add("--shares", default="10,30,50,70,90", metavar="PERCENT,..", help="of that sweep")
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
        help="for a paper's configuration (default: 60)",
    )
    add("--data", type=Path, default=DATA, metavar="DIR", help="folder with the .h5ad files")
    add("--work", type=Path, default=WORK, metavar="DIR", help="folder of the finished units")
    add("--units", default="", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
