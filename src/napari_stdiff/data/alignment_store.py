"""An alignment in a store: one more coordinate system, and nothing else touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compute.errors import StdiffError
from .alignment import Alignment
from .checks import listing
from .elements import axes_of, centroids, is_flat_raster, systems_of, to_xyz
from .images import fitting
from .record import RunRecord
from .result_list import list_results, record_of
from .store import (
    KINDS,
    ROOT_FILES,
    check_store,
    free_name,
    is_store,
    refuse_file_name,
    writable,
)
from .tissue import Tissue

if TYPE_CHECKING:
    from spatialdata import SpatialData

# Where the root of a store keeps how its alignments were made: system -> record and elements.
ALIGNMENTS_KEY = "stdiff_alignments"


def save_alignment(
    alignment: Alignment,
    out: str | Path | SpatialData,
    tissue: Tissue,
    system: str = "aligned",
) -> str:
    """Add an alignment as a new coordinate system; the old ones stay as they are.

    Parameters
    ----------
    alignment
        What :func:`napari_stdiff.align` returned.
    out
        The SpatialData store or object that `tissue` was read from, or a path where there is
        nothing yet: that store gets the tissue too, an element and an image a section, in both
        systems.
    tissue
        The tissue as it was read, not moved.
    system
        Name of the new coordinate system; it gets a number where it is taken.

    Returns
    -------
    str
        The name that the system has. ``read(out, coordinate_system=name)`` gives the aligned
        tissue.

    Raises
    ------
    StdiffError
        When several sections share one element, `tissue` is not what was aligned, or the store
        cannot be written; everything is then as it was.
    """
    if alignment.record.input.get("fingerprint") != tissue.fingerprint():
        raise StdiffError(
            "This alignment was made for another tissue, or the tissue is moved already; give the "
            "tissue as it was read when it was aligned."
        )
    if not isinstance(out, str | Path):
        return _add(alignment, out, tissue, system)
    path = Path(out).expanduser()
    refuse_file_name(path)
    if not path.exists():
        return _new_store(alignment, path, tissue, system)
    source = tissue.origin.path
    if not is_store(path) or not source or Path(source).resolve() != path.resolve():
        raise StdiffError(
            f"{path} exists and is not the store that the tissue was read from; choose a path "
            "that is free."
        )
    return _add(alignment, _spatial_part(path), tissue, system)


def check_room(store: str | Path | SpatialData, tissue: Tissue) -> None:
    """Raise what :func:`save_alignment` would raise about the store, before the work is done."""
    sdata = _spatial_part(check_store(store)) if isinstance(store, str | Path) else store
    section_elements(sdata, tissue)


def remove_alignment(store: str | Path | SpatialData, system: str) -> None:
    """Take out a coordinate system that :func:`save_alignment` added; nothing else changes.

    What lies in that system alone, such as a result that was made in it, stays there.

    Raises
    ------
    StdiffError
        When there is no such alignment, or the store cannot be written.
    """
    from spatialdata.transformations import remove_transformation

    known = list_alignments(store)
    if system not in known:
        raise StdiffError(f"There is no alignment '{system}'; there is: {listing(known)}.")
    sdata = _spatial_part(check_store(store)) if isinstance(store, str | Path) else store
    names = [n for n in _names(sdata) if {system} < set(systems_of(sdata[n]))]
    with _put_back_on_error(sdata, names):
        for name in names:
            remove_transformation(sdata[name], system)
        _write(sdata, names, {k: v for k, v in _kept(sdata).items() if k != system})


def list_alignments(store: str | Path | SpatialData) -> dict[str, RunRecord]:
    """Return coordinate system -> how it was made, for the alignments in a store."""
    held: Any
    if isinstance(store, str | Path):
        import zarr

        held = zarr.open_group(check_store(store), mode="r").attrs.get(ALIGNMENTS_KEY, {})
    else:
        held = _kept(store)
    records = {str(k): record_of(v.get("record")) for k, v in held.items()}
    return {name: record for name, record in records.items() if record is not None}


def section_elements(sdata: SpatialData, tissue: Tissue) -> dict[str, str]:
    """Return element -> the section it belongs to.

    The elements that the table annotates, and those that are called like a section or like its
    element: its pictures, labels, outlines.

    Raises
    ------
    StdiffError
        When several sections share one element, or an element is gone.
    """
    system = tissue.origin.coordinate_system
    own = dict(tissue.origin.elements)
    free = (
        "write a new store instead (a path where there is nothing yet), where every section has "
        "an element of its own."
    )
    if tissue.origin.keys.get("coordinates") != "elements":
        raise StdiffError(
            "The coordinates were not read from the store's elements, so their transformations "
            f"cannot move them; {free}"
        )
    shared = sorted({e for e in own.values() if list(own.values()).count(e) > 1})
    if shared:
        raise StdiffError(
            f"Several sections share the element {listing(shared)}, which has one transformation "
            f"for all of them; {free}"
        )
    gone = [e for e in own.values() if e not in sdata or system not in systems_of(sdata[e])]
    if gone:
        raise StdiffError(
            f"The store has no element {listing(gone)} in coordinate system '{system}'; give the "
            "store that the tissue was read from."
        )
    results = [*list_results(sdata), *(list_results(sdata.path) if sdata.path else [])]
    made = {name for info in results for name in info.element.split(", ")}
    others = [
        n
        for n in _names(sdata)
        if n not in own.values() and n not in made and system in systems_of(sdata[n])
    ]
    claims: dict[str, list[str]] = {}
    for section, element in own.items():
        for name in fitting(others, section, element, alone=len(own) == 1):
            claims.setdefault(name, []).append(section)
    found = {element: section for section, element in own.items()}
    return found | {name: by[0] for name, by in claims.items() if len(by) == 1}


def _add(alignment: Alignment, sdata: SpatialData, tissue: Tissue, system: str) -> str:
    """Add the system to an object and to the store behind it."""
    belongs = section_elements(sdata, tissue)
    base = tissue.origin.coordinate_system
    name = free_name(system, [*sdata.coordinate_systems, *_kept(sdata)])
    rise = {e: alignment.depths.get(s, 0.0) for e, s in belongs.items()}
    if alignment.moves_depth:
        for section, element in tissue.origin.elements.items():
            rise[element] += _floor(sdata, tissue, section, element)
    entry = _entry(alignment, tissue, _kept(sdata))
    if "z_unit" in entry:
        depth = tissue.section_z
        level = {e: float(depth[s]) + alignment.depths.get(s, 0.0) for e, s in belongs.items()}
        entry["depths"] = {e: z for e, z in level.items() if is_flat_raster(sdata[e])}
        for element in set(belongs) - set(tissue.origin.elements.values()):
            if not _is_deep(sdata[element], base):  # transcripts, outlines: where their cells are
                rise[element] = level[element]
    with _put_back_on_error(sdata, belongs):
        for element, section in belongs.items():
            _place(sdata[element], alignment.transforms[section], base, name, rise[element])
        _write(sdata, belongs, {**_kept(sdata), name: entry})
    return name


def _new_store(alignment: Alignment, path: Path, tissue: Tissue, system: str) -> str:
    """Write a store with the tissue, an element a section, in both systems."""
    from anndata import AnnData
    from spatialdata import SpatialData

    from .export import tissue_elements

    elements = tissue_elements(tissue, set())
    base = tissue.origin.coordinate_system
    name = free_name(system, [base])
    table = next(e for e in elements.values() if isinstance(e, AnnData))
    entry = _entry(alignment, tissue, {})
    depth, depths = tissue.section_z, {}
    for section, points in table.obs[["section", "region"]].drop_duplicates().to_numpy():
        image = f"{points.removesuffix('_points')}_image"
        for element in (points, image):
            if element in elements:
                z = alignment.depths.get(section, 0.0) if element == points else 0.0
                _place(elements[element], alignment.transforms[section], base, name, z)
        if image in elements:
            depths[image] = float(depth[section]) + alignment.depths.get(section, 0.0)
    if "z_unit" in entry:
        entry["depths"] = depths
    sdata = SpatialData.init_from_elements(elements)
    sdata.attrs[ALIGNMENTS_KEY] = {name: entry}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sdata.write(path)
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        raise StdiffError(
            f"{path} cannot be written ({error.strerror or error}); choose another path."
        ) from error
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return name


def _entry(alignment: Alignment, tissue: Tissue, kept: Mapping[str, Any]) -> dict[str, Any]:
    base = tissue.origin.coordinate_system
    entry = {"record": alignment.record.model_dump_json(), "from": base}
    if alignment.moves_depth or "z_unit" in kept.get(base, {}):
        entry["z_unit"] = tissue.unit  # the elements tell the depth then, in this unit
    return entry


def unit_of_depth(sdata: SpatialData, system: str) -> str:
    """Return the unit of the depth that the elements have in an alignment that moved it, or ""."""
    return str(_kept(sdata).get(system, {}).get("z_unit", ""))


def depths_of(sdata: SpatialData, system: str) -> dict[str, float]:
    """Return element -> its depth in an alignment, of flat pictures and labels.

    No transformation says it: spatialdata cannot apply one to a flat raster that leads out of its
    plane.
    """
    held = _kept(sdata).get(system, {}).get("depths", {})
    return {str(name): float(z) for name, z in held.items()}


def _floor(sdata: SpatialData, tissue: Tissue, section: str, element: str) -> float:
    """Return what an element's z lacks to be the depth of its section: 0 where it holds it.

    A flat element whose depth stands in the table gets it with the new system.
    """
    system = tissue.origin.coordinate_system
    depth = tissue.coords[tissue.section == section, 0]
    held = centroids(sdata[element], system, element)["z"].to_numpy(dtype=float)
    near = 1e-6 * max(float(np.abs(tissue.coords[:, 0]).max()), 1.0)
    if abs(held.mean() - depth.mean()) <= near:
        return 0.0
    if "z" in axes_of(sdata[element]) or np.ptp(depth) > near:
        raise StdiffError(
            f"The store's element '{element}' does not hold the depth of its cells as it is shown "
            "(the table does, or another unit), so no transformation can move it along z; write a "
            "new store instead (a path where there is nothing yet)."
        )
    return float(depth.mean() - held.mean())


def _is_deep(element: Any, system: str) -> bool:
    """Tell whether an element has a place along z in a coordinate system."""
    return "z" in axes_of(element) or to_xyz(element, system)[2, 3] != 0


def _place(element: Any, matrix: np.ndarray, base: str, system: str, z: float = 0.0) -> None:
    """Give an element a place in `system`: where it lies in `base`, then moved, along z by `z`.

    Flat pictures and labels stay in their plane; `depths_of` tells where that is.
    """
    from spatialdata.transformations import (
        Affine,
        Identity,
        Sequence,
        get_transformation,
        set_transformation,
    )

    deep = "z" in axes_of(element)
    if is_flat_raster(element) and _is_deep(element, base):  # of a store that was saved before
        plane = np.eye(3)
        plane[:2] = to_xyz(element, base)[np.ix_([0, 1], [0, 1, 3])]
        swap = [1, 0, 2]  # `matrix` is on y, x
        moved = matrix[np.ix_(swap, swap)] @ plane
        flat = ("x", "y")
        set_transformation(element, Affine(moved, input_axes=flat, output_axes=flat), system)
        return
    if not deep and not is_flat_raster(element) and (z or _is_deep(element, base)):
        rise = np.eye(4)  # on x, y, z
        order = [1, 0, 3]
        rise[np.ix_(order, order)] = matrix
        rise[2, 3] = z
        lifted = (rise @ to_xyz(element, base))[:, [0, 1, 3]]
        on, into = ("x", "y"), ("x", "y", "z")
        set_transformation(element, Affine(lifted, input_axes=on, output_axes=into), system)
        return
    axes = ("z", "y", "x") if deep else ("y", "x")
    full = np.eye(len(axes) + 1)
    last = [len(axes) - 2, len(axes) - 1, len(axes)]
    full[np.ix_(last, last)] = matrix
    if deep:
        full[0, 3] = z
    move = Affine(full, input_axes=axes, output_axes=axes)
    held = get_transformation(element, base)
    whole = move if isinstance(held, Identity) else Sequence([held, move])
    set_transformation(element, whole, system)


def _write(sdata: SpatialData, names: Iterable[str], alignments: Mapping[str, Any]) -> None:
    """Keep the elements' transformations and the list of alignments, on disk where there is one.

    Only the metadata of these elements and of the root is written.
    """
    if sdata.path is not None:
        import zarr

        path = Path(sdata.path)
        try:
            writable(path)
            consolidated = sdata.has_consolidated_metadata()
            for name in names:
                sdata.write_transformations(name)
            root = zarr.open_group(path, mode="r+", use_consolidated=False)
            _put(root.attrs, alignments)
            if consolidated:  # writing the attributes has dropped it
                sdata.write_consolidated_metadata()
        except OSError as error:
            raise StdiffError(
                f"{path} cannot be written ({error.strerror or error}); it is as it was. Write a "
                "new store instead."
            ) from error
    _put(sdata.attrs, alignments)


def _put(attrs: MutableMapping[str, Any], alignments: Mapping[str, Any]) -> None:
    """Keep the alignments among the attributes, or nothing where there are none."""
    if alignments:
        attrs[ALIGNMENTS_KEY] = dict(alignments)
    elif ALIGNMENTS_KEY in attrs:
        del attrs[ALIGNMENTS_KEY]


@contextmanager
def _put_back_on_error(sdata: SpatialData, names: Iterable[str]) -> Iterator[None]:
    """Put transformations and metadata back as they were when the block fails."""
    from spatialdata.transformations import get_transformation, set_transformation

    before = {n: dict(get_transformation(sdata[n], get_all=True)) for n in names}
    files: dict[Path, bytes] = {}
    if sdata.path is not None:
        root = Path(sdata.path)
        folders = [
            root,
            *(root / k for k in KINDS),
            *(root / k / n for k in KINDS for n in before),
        ]
        places = [folder / file for folder in folders for file in ROOT_FILES]
        files = {p: p.read_bytes() for p in places if p.is_file()}
    try:
        yield
    except BaseException:
        for name, held in before.items():
            set_transformation(sdata[name], held, set_all=True)
        for file, content in files.items():
            if file.read_bytes() != content:
                file.write_bytes(content)
        raise


def _spatial_part(path: Path) -> SpatialData:
    """Return the elements of a store without its tables, which hold no transformations."""
    from spatialdata import read_zarr

    return read_zarr(path, selection=tuple(kind for kind in KINDS if kind != "tables"))


def _names(sdata: SpatialData) -> list[str]:
    return [str(name) for _, name, _ in sdata.gen_spatial_elements()]


def _kept(sdata: SpatialData) -> dict[str, Any]:
    return dict(sdata.attrs.get(ALIGNMENTS_KEY, {}))
