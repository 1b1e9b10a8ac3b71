"""Finds genes and annotations by a few letters: ranked, forgiving, quick at 30,000 names."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import get_args

import numpy as np

from ..data.gene_names import match_genes, unversioned
from .colors import Choice
from .gene_entries import Entry, Hit, How, Pasted, split_names, split_words
from .spelling import edits

_TIERS: tuple[How, ...] = get_args(How)
_LONGEST = 32  # letters of a name that are compared where something was mistyped
_SPREAD = 64  # ranks within a tier
_NONE = len(_TIERS)
_PARTING = np.array([ord(sign) for sign in "_-.:/|()"])  # a word starts behind one of these
_DIGITS = re.compile(r"\d+")


class GeneIndex:
    """Every gene and obs column of what is open, to be searched.

    Parameters
    ----------
    entries
        Unique by choice and what they go by; of a gene of several tables the first is meant where
        its name alone is said.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self.entries = list(entries)
        self._keys = [_folded(entry.name) for entry in self.entries]
        self._at = {entry.key: row for row, entry in enumerate(self.entries)}
        for row, entry in enumerate(self.entries):  # one that only another table has
            self._at.setdefault((entry.choice, entry.name), row)

    def find(self, choice: Choice, name: str) -> Entry | None:
        """Return the entry of a choice and its name, or None."""
        row = self._at.get((choice, name))
        return None if row is None else self.entries[row]

    def search(
        self, text: str, n: int = 100, recent: Sequence[tuple[Choice, str]] = ()
    ) -> list[Hit]:
        """Return the `n` entries that fit `text` best, the best first.

        A name that is typed in full comes first, then those that start with it, that have a word
        that does, that hold it; then those with its letters in this order, and those that are one
        letter off (two, of eight letters or more). Of equals, what was `recent` and what is
        shorter comes first. Case does not count, nor whether words are parted by a space or an
        underscore; the start of an Ensembl id beside a symbol finds its gene, too.

        Parameters
        ----------
        text
            What was typed; without any, what was recent, annotations, and genes by name.
        n
            At most so many.
        recent
            What was chosen last, the newest first.
        """
        wanted = _folded(text)
        lately = [self._at[key] for key in recent if key in self._at]
        if not wanted:
            every = list(dict.fromkeys([*lately, *self._alphabet[: n + len(lately)]]))
            return [Hit(self.entries[row], "is") for row in every[:n]]
        tiers = np.full(len(self.entries), _NONE, np.int64)
        ranks = np.zeros(len(self.entries), np.int64)
        self._as_typed(wanted, tiers)
        as_typed = int((tiers < _NONE).sum())
        if as_typed < n and len(wanted) > 1:
            self._by_letters(wanted, tiers, ranks)
        if not as_typed and 4 <= len(wanted) <= _LONGEST:
            self._mistyped(wanted, tiers, ranks)
        late = np.ones(len(self.entries), np.int64)
        late[lately] = 0
        rows = np.flatnonzero(tiers < _NONE)
        order = (tiers[rows] * _SPREAD + ranks[rows]) * 2 + late[rows]
        order = order * len(self.entries) + self._order[rows]
        best = np.argsort(order, kind="stable")[:n]
        return [Hit(self.entries[row], _TIERS[tiers[row]]) for row in rows[best]]

    def meant(self, text: str) -> Entry | None:
        """Return the entry called `text`, whatever its case or version; a gene before a column."""
        name = text.strip()
        for choice in ("gene", "column", "none"):
            if (choice, name) in self._at:
                return self.entries[self._at[choice, name]]  # type: ignore[index]
        rows = self._by_key.get(_folded(name)) or self._by_other.get(unversioned(name)) or []
        genes = [row for row in rows if self.entries[row].choice == "gene"]
        rows = genes or rows
        same = {self.entries[row].name for row in rows}  # in several tables it is still one
        return self.entries[rows[0]] if len(same) == 1 else None

    def pasted(self, text: str) -> Pasted | None:
        """Return the list that `text` is, or None where it is the name of one thing.

        Names are parted by commas, semicolons, tabs, new lines or spaces. A text with spaces
        alone is a list when two of its words are names.
        """
        parts = split_names(text)
        if len(parts) == 1:
            words = split_words(text)
            if self.meant(text) is not None or sum(self.meant(w) is not None for w in words) < 2:
                return None
            return self.look_up(words)
        if len(parts) < 2:
            return None
        names: list[str] = []
        for part in parts:
            names += [part] if self.meant(part) is not None else split_words(part)
        return self.look_up(names)

    def look_up(self, names: Sequence[str]) -> Pasted:
        """Return what each of `names` is, each thing once.

        Genes are matched as those of two tables are: by name, ignoring case, without the version
        of an Ensembl id, by the other name that the table gives.
        """
        names = list(dict.fromkeys(names))
        columns = {n: e for n in names if (e := self.find("column", n)) is not None}
        # one name in several spellings would leave the match in doubt
        spelled: dict[str, str] = {}
        for name in names:
            known = self.find("gene", name) is not None
            spelled.setdefault(name if known else unversioned(name), name)
        asked = [n for n in spelled.values() if n not in columns]
        genes = self._called(asked)
        ours = _Names([gene.name for gene in genes], [gene.other for gene in genes])
        match = match_genes(_Names(asked), ours)
        partner = dict(match.shared)
        found: dict[tuple[Choice, str], Entry] = {}
        missing = []
        for name in (n for n in names if n in columns or n in spelled.values()):
            entry = columns.get(name) or self.find("gene", partner.get(name, ""))
            entry = entry or self.meant(name)
            if entry is None:
                missing.append(name)
            else:
                found.setdefault(entry.key, entry)
        return Pasted(tuple(found.values()), tuple(missing))

    def _called(self, names: Sequence[str]) -> list[Entry]:
        """Return the genes that may be meant by `names`: a match looks at no others."""
        rows: dict[int, None] = {}
        for name in names:
            rows.update(dict.fromkeys(self._by_key.get(_folded(name), ())))
            rows.update(dict.fromkeys(self._by_other.get(unversioned(name), ())))
        genes = [e for row in sorted(rows) if (e := self.entries[row]).choice == "gene"]
        return list({gene.name: gene for gene in reversed(genes)}.values())[::-1]

    # -- how names are found: the best tier of each row, and its rank within that ---------------

    def _as_typed(self, wanted: str, tiers: np.ndarray) -> None:
        """Find names that hold the text as it stands."""
        at = np.array([key.find(wanted) for key in self._keys], np.int64)
        tiers[at == 0] = _TIERS.index("starts")
        tiers[(at == 0) & (self._lengths == len(wanted))] = _TIERS.index("is")
        inside = np.flatnonzero(at > 0)
        before = self._letters[np.minimum(at[inside], _LONGEST) - 1, inside]
        tiers[inside] = np.where(
            np.isin(before, _PARTING), _TIERS.index("word"), _TIERS.index("holds")
        )
        if len(wanted) >= 4:  # any three letters are in thousands of ids
            ids, rows = self._others
            without = unversioned(wanted)
            for i in range(bisect_left(ids, without), bisect_right(ids, without + "\U0010ffff")):
                tier = "is" if ids[i] == without else "starts"
                tiers[rows[i]] = min(tiers[rows[i]], _TIERS.index(tier))

    def _by_letters(self, wanted: str, tiers: np.ndarray, ranks: np.ndarray) -> None:
        """Find names that have the letters of the text in this order, not too far apart."""
        mask = np.uint64(_mask(wanted))
        rows = np.flatnonzero(((self._masks & mask) == mask) & (tiers == _NONE))
        letters = self._letters[:, rows]
        codes = np.array([*map(ord, wanted), 0], np.uint32)
        seen = np.zeros(len(rows), np.int64)
        first, last = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.int64)
        for j in range(_LONGEST):
            hit = letters[j] == codes[seen]
            hit &= seen < len(wanted)
            first[hit & (seen == 0)] = j
            seen += hit
            last[hit] = j
        gaps = last - first + 1 - len(wanted)
        close = (gaps <= 2) & (first == 0)
        good = (seen == len(wanted)) & (gaps <= 2 * len(wanted))
        tiers[rows[good]] = np.where(close, _TIERS.index("close"), _TIERS.index("letters"))[good]
        rank = np.where(close, gaps, np.minimum(2 * gaps + (first > 0), _SPREAD - 1))
        ranks[rows[good]] = rank[good]

    def _mistyped(self, wanted: str, tiers: np.ndarray, ranks: np.ndarray) -> None:
        """Find names that are a letter or two off, or that start so."""
        most = 2 if len(wanted) >= 8 else 1
        lacking = np.bitwise_count(np.uint64(_mask(wanted)) & ~self._masks)
        rows = np.flatnonzero(lacking <= most)
        whole, start = edits(wanted, self._letters[:, rows], self._lengths[rows], most)
        for tier, off in ((_TIERS.index("typo"), whole), (_TIERS.index("typo at start"), start)):
            better = (off <= most) & (tier < tiers[rows])
            tiers[rows[better]] = tier
            ranks[rows[better]] = off[better]

    # -- made when they are first needed ----------------------------------------------------------

    @cached_property
    def _alphabet(self) -> list[int]:
        """Rows as people read them: annotations first, Cox2 before Cox10."""
        first = {"column": "0", "none": "1", "gene": "2"}
        keys = [
            first[entry.choice] + _DIGITS.sub(lambda found: found[0].zfill(9), key)
            for entry, key in zip(self.entries, self._keys, strict=True)
        ]
        return sorted(range(len(keys)), key=keys.__getitem__)

    @cached_property
    def _order(self) -> np.ndarray:
        """(entries,) place of each among equals: the shortest first, annotations before genes."""
        rows = np.array(self._alphabet, np.int64)  # equals stay in this order
        place = np.empty(len(rows), np.int64)
        place[rows[np.argsort(self._lengths[rows], kind="stable")]] = np.arange(len(rows))
        return place

    @cached_property
    def _others(self) -> tuple[list[str], list[int]]:
        """The other names of genes in order, and the row of each."""
        every = enumerate(self.entries)
        pairs = sorted((unversioned(entry.other), row) for row, entry in every if entry.other)
        return [name for name, _ in pairs], [row for _, row in pairs]

    @cached_property
    def _by_key(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, key in enumerate(self._keys):
            rows.setdefault(key, []).append(row)
        return rows

    @cached_property
    def _by_other(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, entry in enumerate(self.entries):
            for name in {unversioned(entry.name), unversioned(entry.other)} - {""}:
                rows.setdefault(name, []).append(row)
        return rows

    @cached_property
    def _masks(self) -> np.ndarray:
        """(entries,) uint64, one bit for each letter that a name has."""
        bits = np.uint64(1) << (self._letters & np.uint32(63)).astype(np.uint64)
        bits[self._letters == 0] = 0
        return np.asarray(np.bitwise_or.reduce(bits, axis=0))

    @cached_property
    def _lengths(self) -> np.ndarray:
        return np.array([len(key) for key in self._keys], np.int64)

    @cached_property
    def _letters(self) -> np.ndarray:
        """(32, entries) the first letters of each name as numbers, 0 beyond its end."""
        text = "".join(key[:_LONGEST].ljust(_LONGEST, "\0") for key in self._keys)
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        return np.ascontiguousarray(codes.reshape(-1, _LONGEST).T)


class _Names:
    """Names as :func:`match_genes` takes them."""

    def __init__(self, genes: Sequence[str], ids: Sequence[str] | None = None) -> None:
        self.genes = np.array(genes, dtype=object)
        self.gene_ids = None if ids is None or not any(ids) else np.array(ids, dtype=object)


def _folded(name: str) -> str:
    return name.strip().casefold().replace(" ", "_")


def _mask(key: str) -> int:
    """Return one bit for each letter of `key`; rare letters share bits."""
    mask = 0
    for letter in key:
        mask |= 1 << (ord(letter) & 63)
    return mask
