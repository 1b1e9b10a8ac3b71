"""Fitted models are kept under what they were fitted on, and the oldest go."""

from __future__ import annotations

from napari_stdiff.methods.entries.settings import EntrySettings
from napari_stdiff.tasks.impute_config import ImputeConfig
from napari_stdiff.tasks.recent import Recent, key_of


def key(seen: str = "a", **said: object) -> str:
    config = ImputeConfig.of(**said)
    return key_of(seen, config, config.device, EntrySettings, ("method",))


def test_the_one_that_was_used_longest_ago_goes() -> None:
    kept: Recent[str] = Recent(2)
    fits: list[str] = []

    def get(name: str) -> bool:
        found, known = kept.get(name, lambda: fits.append(name) or name)
        assert found == name
        return known

    assert [get(name) for name in ("a", "b", "a", "c", "a", "b")] == [
        *(False, False, True, False, True, False)
    ]
    assert fits == ["a", "b", "c", "b"]
    assert kept.values() == ["a", "b"]
    kept.forget()
    assert kept.values() == []


def test_what_a_fit_does_not_depend_on_is_no_part_of_its_key() -> None:
    assert key() == key(genes="A,B") == key(clusters=False) == key(check_share=0.1)
    assert key(device="cpu", epochs=5) == key(epochs=5)
    different = [key(), key("b"), key(seed=1), key(method="mean"), key(epochs=5), key(draws=2)]
    assert len(set(different)) == len(different)
    # a setting that was said may be treated otherwise than one that was left alone
    assert key(epochs=0) != key()
