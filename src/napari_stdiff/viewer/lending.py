"""Our results in napari-spatialdata's View: their tables join those that its layers list.

Its View offers the tables named in ``layer.metadata["table_names"]`` and takes them from
``metadata["sdata"]``. A result about measured cells is a table that annotates the same element, so
its name is added there when it is saved, and taken out when it is removed. Nothing else of the
layer is touched, and nothing of that plugin is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.result_list import regions_of
from .layers import KEY

if TYPE_CHECKING:
    from .session import Session


class Lending:
    """Keeps the lists of other plugins' layers in step with the session's results. Main thread.

    Parameters
    ----------
    session
        The session; its viewer's layers are told.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lent: set[str] = set()
        for known in session.of_cells:
            known.saved.connect(self.refresh)
            known.changed.connect(self.refresh)
        session.viewer.layers.events.inserted.connect(self.refresh)

    def refresh(self, _: object = None) -> None:
        """Add the tables of results that are saved, and take out those that are gone."""
        session = self._session
        if session.is_closed:
            return
        known = session.of_cells
        names = {name for results in known for name in results.kept.stored_as.values()}
        gone = self._lent - names
        self._lent = names
        for layer in list(session.viewer.layers):
            listed = layer.metadata.get("table_names")
            if KEY in layer.metadata or not isinstance(listed, list):
                continue
            sdata = layer.metadata.get("sdata")
            if sdata is None or not self._is_open(sdata):
                continue
            for name in gone & set(listed):
                listed.remove(name)
                if sdata is not session.store and name in sdata.tables:
                    del sdata.tables[name]  # in memory: the store has lost it already
            element = layer.metadata.get("name")
            for name in sorted(names - set(listed)):
                table = self._table(sdata, name)
                if table is not None and element in regions_of(table):
                    listed.append(name)

    def _is_open(self, sdata: Any) -> bool:
        """Return whether an object is what the session has open, or its store on disk."""
        store = self._session.store
        if sdata is store:
            return True
        path = getattr(sdata, "path", None)
        return isinstance(store, str) and path is not None and _same(store, path)

    def _table(self, sdata: Any, name: str) -> Any:
        """Return a result's table as `sdata` has it, read from their common store if need be."""
        if name in sdata.tables:
            return sdata.tables[name]
        if sdata is self._session.store:
            return None
        folder = Path(sdata.path) / "tables" / name
        if not folder.is_dir():
            return None
        from anndata import read_zarr

        table = read_zarr(str(folder))
        table.uns["spatialdata_attrs"]["region"] = regions_of(table)  # zarr made it an array
        sdata.tables[name] = table
        return table


def _same(store: str, path: Any) -> bool:
    return Path(store).expanduser().resolve() == Path(path).resolve()
