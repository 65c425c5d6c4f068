"""JSON from anywhere is read within bounds, and a value of any structure is described in a short text."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lena_jax.runtime.untrusted import MOST_LEVELS, damage_in, described, parse_json, read_json, read_object

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_what_is_within_bounds_is_read_as_json_reads_it(value):
    text = json.dumps(value)
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text)
    assert len(described(value)) < 1000 and "\n" not in described(value)


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        ("NaN", "got NaN"),
        ("[-Infinity]", "got -Infinity"),
        ("[1e999]", "got 1e999"),
        ("[-1e999]", "got -1e999"),
        (f"[{10**30}]", "at most 64 bits"),
        (f"[{2**64}]", "at most 64 bits"),
        ("1" * 5000, "at most 64 bits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * (MOST_LEVELS + 2) + "]" * (MOST_LEVELS + 2), "nested too deeply"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_what_is_beyond_the_bounds_is_one_line(text, said, tmp_path):
    with pytest.raises(ValueError, match=said) as raised:
        parse_json(text)
    assert len(str(raised.value)) < 300 and "\n" not in str(raised.value)
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"a\.json'"):
        read_json(path)
    assert parse_json("[" * MOST_LEVELS + "]" * MOST_LEVELS)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_json(tmp_path / "none.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "none.json")
    with pytest.raises(ValueError, match="no such file"):
        read_json(tmp_path / "link.json")
    with pytest.raises(ValueError, match="is a folder"):
        read_json(tmp_path)
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(ValueError, match=r"a\.json': got \[1, 2\], expected a JSON object"):
        read_object(tmp_path / "a.json")
    with pytest.raises(ValueError, match="too large"):
        read_json(tmp_path / "a.json", most_bytes=3)


def test_a_value_of_any_structure_is_described_at_once():
    doubled = ()
    for _ in range(60):  # Printed, it has 2^60 parts.
        doubled = (doubled, doubled)
    assert described(doubled) == "(a tuple of 2, a tuple of 2)"
    assert described({"a": doubled}) == "{'a'}" and described([doubled] * 20).endswith("... (20 in all)]")
    assert described(2**20_000) == "a whole number of 20,001 bits" and described("x" * 10**6) == repr("x" * 80) + "..."
    assert described(object()) == "a object" and described(math.inf) == "inf" and described((1,)) == "(1,)"


@pytest.mark.parametrize(
    "error", [KeyError("a"), TypeError("b"), IndexError("c"), AttributeError("d"), OverflowError()]
)
def test_values_of_other_kinds_are_damage(error):
    with pytest.raises(ValueError, match=f"x.json is damaged: {type(error).__name__}"), damage_in("x.json"):
        raise error
