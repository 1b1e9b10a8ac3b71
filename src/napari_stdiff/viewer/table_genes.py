"""Genes of other tables about the cells that are open: found by name, shown as they are there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData

from ..data.other_tables import OtherTable, other_tables
from ..data.predicted import badge_of
from .colors import Colouring
from .cover import two_digits
from .gene_entries import Entry, called

if TYPE_CHECKING:
    from .session import Session

_UNREADABLE = (OSError, KeyError, ValueError, TypeError, RuntimeError)


class TableGenes:
    """The other tables of the open store; looked for when somebody first asks. Main thread only.

    A gene goes by its name and its table's, "Vip (tangram)", so that it is told from the same
    gene of the tissue's own table, and from that of another.

    Parameters
    ----------
    session
        Whose store and tissue.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tables: list[OtherTable] | None = None
        self._shown: tuple[str, np.ndarray] | None = None

    def forget(self) -> None:
        """Start anew: other data is open."""
        self._tables, self._shown = None, None

    @property
    def tables(self) -> list[OtherTable]:
        """The tables, by name."""
        if self._tables is None:
            self._tables = self._found()
        return self._tables

    def entries(self) -> Iterator[Entry]:
        """Yield every gene of every table, as a search finds it."""
        for table in self.tables:
            for gene, other in zip(table.genes, table.ids, strict=True):
                expected = table.expected(gene)
                if expected is None:
                    yield Entry(gene, "table", other=other, table=table.name)
                else:
                    badge = badge_of(expected)
                    yield Entry(gene, "table", badge, expected, other, table.name)

    def has(self, name: str) -> bool:
        """Say whether a table has what goes by `name`."""
        return self._split(name) is not None

    def named(self, gene: str) -> str:
        """Return what a gene goes by that a table has, the first one that does; "" for none."""
        return next((called(gene, t.name) for t in self.tables if gene in t), "")

    def colouring(self, name: str, virtual: Mapping[str, int]) -> Colouring | None:
        """Return the colouring by what goes by `name`; None where no table has it.

        Parameters
        ----------
        name
            As :func:`gene_entries.called` makes it.
        virtual
            Virtual section -> its number of cells: of them the table says nothing.
        """
        found = self._split(name)
        if found is None:
            return None
        table, gene = found
        if self._shown is None or self._shown[0] != name:
            self._shown = name, table.gene(gene)
        nothing = {key: np.full(n, np.nan, np.float32) for key, n in virtual.items()}
        return Colouring("gene", name, self._shown[1], nothing, table=table.name)

    def unit(self, name: str) -> str:
        """Say what the values of a gene are; "" where no table has it."""
        found = self._split(name)
        if found is None:
            return ""
        return "log-normalised" if found[0].counts else "values as in that table"

    def words(self, name: str) -> str:
        """Say what is shown of a gene, and how far to trust it; "" where no table has it."""
        found = self._split(name)
        if found is None:
            return ""
        table, gene = found
        expected = table.expected(gene)
        if expected is None:
            return f"{name}\n{self.unit(name)}"
        trust = f"{badge_of(expected)} reliability, expected r {two_digits(expected)}"
        return f"{name} · predicted\n{self.unit(name)}; {trust}"

    def _split(self, name: str) -> tuple[OtherTable, str] | None:
        """Return table and gene of a name; tables are only looked for where it may have one."""
        if not name.endswith(")") or " (" not in name:
            return None
        for table in self.tables:
            gene = name.removesuffix(called("", table.name))
            if gene != name and gene in table:
                return table, gene
        return None

    def _found(self) -> list[OtherTable]:
        """Look for the tables; what is unreadable is told."""
        session = self._session
        store, tissue = session.store, session.tissue
        if store is None or tissue is None or not tissue.origin.table:
            return []
        if isinstance(store, AnnData) or (isinstance(store, str) and not Path(store).is_dir()):
            return []
        known = set()
        for results in session.of_cells:  # those that are just being saved, too
            known |= {*results.results, *results.kept.stored_as.values()}
        try:
            tables, notes = other_tables(store, tissue, known)
        except _UNREADABLE as error:
            session.notice(f"Other tables of the store could not be read: {error}")
            return []
        for note in notes:
            session.notice(note)
        return tables
