"""Checkpoints of PyTorch are read as data: honest ones exactly, hostile ones not at all."""

import os
import pickle
import zipfile

import numpy as np
import pytest
from torch_checkpoints import NUMBERS, Payload, plain, state_pickle, tensor, write_legacy, write_zip

from lena_jax.backbones import get_backbone
from lena_jax.backbones.sources import find_file
from lena_jax.backbones.torch_file import read_tensors

WRITERS = pytest.mark.parametrize("write", [write_zip, write_legacy])


@WRITERS
def test_reads_views_of_a_storage(tmp_path, write):
    state = state_pickle(
        a=tensor(),
        b=tensor(offset=1, shape=(2, 2), strides=(1, 2)),
        c=tensor(shape=(), strides=()),
        d=tensor(shape=(0, 4), strides=(4, 1)),
    )
    got = read_tensors(write(tmp_path / "m.pth", state))
    assert list(got) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(got["a"], NUMBERS.reshape(2, 3))
    np.testing.assert_array_equal(got["b"], [[1, 3], [2, 4]])
    assert got["c"] == 0 and got["d"].shape == (0, 4)
    assert not got["a"].flags.writeable


@pytest.mark.parametrize("legacy", [False, True])
def test_reads_what_pytorch_saves(tmp_path, legacy):
    torch = pytest.importorskip("torch")
    base = torch.arange(24)
    state = {
        str(kind): base.to(kind).reshape(4, 6)[1:, ::2].t()
        for kind in (
            torch.float32,
            torch.float64,
            torch.float16,
            torch.bfloat16,
            torch.int64,
            torch.int32,
            torch.int16,
            torch.int8,
            torch.uint8,
            torch.bool,
        )
    }
    state["parameter"] = torch.nn.Parameter(base.float())
    for saved in (state, {"epoch": 3, "state_dict": state}):
        torch.save(saved, tmp_path / "m.pth", _use_new_zipfile_serialization=not legacy)
        got = read_tensors(tmp_path / "m.pth")
        assert list(got) == list(state)
        for name, value in state.items():
            np.testing.assert_array_equal(got[name].astype(np.float64), value.detach().double().numpy())


def test_reads_the_wheel():
    got = read_tensors(find_file(get_backbone("efficientnet_lite0").source))
    assert len(got) == 296 and got["_fc.weight"].shape == (1000, 1280)


@WRITERS
def test_a_malicious_pickle_is_refused_by_name_and_not_run(tmp_path, write):
    target = tmp_path / "owned"
    path = write(tmp_path / "m.pth", pickle.dumps({"a": Payload(str(target))}, 2))
    with pytest.raises(ValueError, match=r"m\.pth: refused pickle: .* global '(posix|nt)\.mkdir'"):
        read_tensors(path)
    assert not target.exists()


@WRITERS
@pytest.mark.parametrize(
    "state, message",
    [
        (b"\x80\x04" + plain("builtins") + plain("eval") + b"\x93.", "global 'builtins.eval'"),
        (b"\x80\x02cbuiltins\neval\n(" + plain("1") + b"tR.", "global 'builtins.eval'"),
        (b"\x80\x02ctorch._utils os\nsystem\n.", "global 'torch._utils.os.system'"),
        (b"\x80\x02(ios\nsystem\n.", "instruction INST"),
        (b"\x80\x02\x82\x01.", "instruction EXT1"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "refused pickle: it calls"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "instruction NEWOBJ"),
        (b"\x80\x02" + plain("x") + b"Q.", "cannot read the storage"),
        (b"\x80\x02R.", "empty stack"),
        (b"\x80\x02h\x07.", "not stored"),
        (b"\x80\x02}(" + plain((1,)) + plain(2) + b"u.", "dictionary key of type tuple"),
        (b"\x80\x02}(" + plain("a") + b"u.", "key without a value"),
        (b"\x80\x02]b.", "damaged pickle"),
        (b"\x80\x02}q\x00(" + plain("a") + b"h\x00u.", "no tensors: \\['a'\\]"),
        (b"\x80\x02].", "type list"),
        (b"\x80\x02}", "pickle|opcode|exhausted|EOF"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_hostile_or_damaged_pickles(tmp_path, write, state, message):
    with pytest.raises(ValueError, match=message):
        read_tensors(write(tmp_path / "m.pth", state))


@WRITERS
@pytest.mark.parametrize(
    "view",
    [
        dict(offset=1),
        dict(shape=(2, 4), strides=(3, 1)),
        dict(strides=(4, 1)),
        dict(offset=-1),
        dict(offset=None),
        dict(strides=(-3, 1)),
        dict(shape=(-1, -6)),
        dict(shape=(2**40,), strides=(0,)),
        dict(shape=(2.0, 3)),
        dict(shape=(2**62, 4), strides=(2**62, 1)),
        dict(shape=(6,), strides=(1, 1)),
        dict(shape=[6], strides=[1]),
        dict(shape=(True,), strides=(1,)),
        dict(offset=6, shape=(), strides=()),
        dict(shape=(1,) * 40, strides=(1,) * 40),
    ],
)
def test_a_tensor_must_lie_inside_its_storage(tmp_path, write, view):
    with pytest.raises(ValueError, match="tensor 'a'"):
        read_tensors(write(tmp_path / "m.pth", state_pickle(a=tensor(**view))))


@WRITERS
def test_a_huge_empty_tensor_is_refused(tmp_path, write):
    state = state_pickle(a=tensor(shape=(2**62, 2**62, 0), strides=(1, 1, 1)))
    with pytest.raises(ValueError, match=r"m\.pth"):
        read_tensors(write(tmp_path / "m.pth", state))


@WRITERS
@pytest.mark.parametrize(
    "storage",
    [
        dict(count=7),
        dict(count=5),
        dict(kind="DoubleStorage"),
        dict(count=-6),
        dict(count=2**61),
        dict(kind="ComplexFloatStorage"),
        dict(count="6"),
    ],
)
def test_a_storage_must_be_what_it_claims(tmp_path, write, storage):
    with pytest.raises(ValueError):
        read_tensors(write(tmp_path / "m.pth", state_pickle(a=tensor(**storage))))


@WRITERS
def test_one_storage_cannot_have_two_types(tmp_path, write):
    with pytest.raises(ValueError, match="described in two ways"):
        read_tensors(write(tmp_path / "m.pth", state_pickle(a=tensor(), b=tensor(kind="IntStorage"))))


@pytest.mark.parametrize("key", ["../../etc/passwd", "/0", "", "0/../0"])
def test_zip_keys_are_digits(tmp_path, key):
    members = {"x/data/0": NUMBERS.tobytes(), f"x/data/{key}_": b""}
    with pytest.raises(ValueError, match="storage key"):
        read_tensors(write_zip(tmp_path / "m.pth", state_pickle(a=tensor(key=key)), members))


def test_zip_archives_that_pytorch_would_not_write(tmp_path):
    state = state_pickle(a=tensor())
    with pytest.raises(ValueError, match="compressed"):
        read_tensors(write_zip(tmp_path / "m.pth", state, compression=zipfile.ZIP_DEFLATED))
    with pytest.raises(ValueError, match="'x/data/0' is missing"):
        read_tensors(write_zip(tmp_path / "m.pth", state, {}))
    with pytest.raises(ValueError, match="2 members NAME/data.pkl"):
        read_tensors(write_zip(tmp_path / "m.pth", state, {"y/data.pkl": state}))
    with pytest.raises(ValueError, match="little-endian"):
        read_tensors(write_zip(tmp_path / "m.pth", state, {"x/byteorder": b"big"}))
    whole = write_zip(tmp_path / "m.pth", state).read_bytes()
    (tmp_path / "m.pth").write_bytes(whole.replace(NUMBERS.tobytes(), NUMBERS[::-1].tobytes()))
    with pytest.raises(ValueError, match="CRC"):
        read_tensors(tmp_path / "m.pth")
    (tmp_path / "m.pth").write_bytes(whole[:100])
    with pytest.raises(ValueError, match="zip"):
        read_tensors(tmp_path / "m.pth")


@pytest.mark.parametrize(
    "change",
    [dict(keys=("1",)), dict(keys=()), dict(keys=("0", "0")), dict(counts=()), dict(missing_bytes=1), dict(keys=(3,))],
)
def test_legacy_files_that_pytorch_would_not_write(tmp_path, change):
    with pytest.raises(ValueError, match="damaged checkpoint"):
        read_tensors(write_legacy(tmp_path / "m.pth", state_pickle(a=tensor()), **change))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80", b"\x80\x02K\x01.", pickle.dumps({"a": 1}, 4)])
def test_other_files(tmp_path, content):
    (tmp_path / "m.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.pth"):
        read_tensors(tmp_path / "m.pth")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_tensors(tmp_path / "m.pth")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02\x8d" + (2**62).to_bytes(8, "little"),  # A string of 4 EiB.
        b"\x80\x02)" + b"\x85" * 100_000 + b"Q.",
    ],
)  # A tuple in a tuple in a tuple ... as the name of a storage.
def test_a_pickle_that_asks_for_the_impossible_is_refused(tmp_path, content):
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="file.pth: "):
        read_tensors(path)


# Each tuple holds the one before twice: printed or compared, it has 2^40 parts.
DOUBLED = b")" + b"".join(b"q" + bytes([k]) + b"h" + bytes([k]) + b"\x86" for k in range(40))


@WRITERS
@pytest.mark.parametrize(
    "state, said",
    [
        (b"\x80\x02" + DOUBLED + b"Q.", "cannot read the storage"),
        (b"\x80\x02ccollections\nOrderedDict\n" + DOUBLED + b"R.", "it calls 'collections.OrderedDict'"),
        (b"\x80\x02" + DOUBLED + b")R.", "it calls"),
        (b"\x80\x04" + DOUBLED + plain("x") + b"\x93.", "names a global"),
        (b"\x80\x02}" + DOUBLED + plain("x") + b"s.", "dictionary key of type tuple"),
        (b"\x80\x02}" + plain("x") + DOUBLED + b"s.", "no tensors"),
        (b"\x80\x02" + DOUBLED + b".", "type tuple"),
        (b"\x80\x02" + b"}" * 400_000, "more than 300,000 instructions"),
        (b"\x80\x02}" + plain(2**61) + plain("x") + b"s.", "dictionary key 2305843009213693952"),
    ],
    ids=lambda one: "" if isinstance(one, bytes) else one,
)
def test_no_structure_is_printed_or_compared(tmp_path, write, state, said):
    with pytest.raises(ValueError, match=said) as raised:
        read_tensors(write(tmp_path / "m.pth", state))
    assert len(str(raised.value)) < 800 and "\n" not in str(raised.value)


@WRITERS
@pytest.mark.parametrize(
    "view",
    [
        dict(shape=(1,), strides=(10**30,)),
        dict(shape=(2, 10**30), strides=(1, 1)),
        dict(offset=10**30),
        dict(shape=(0, 10**30), strides=(1, 1)),
    ],
)
def test_numbers_that_no_machine_has_are_refused(tmp_path, write, view):
    with pytest.raises(ValueError, match=r"m\.pth: tensor 'a'.*expected whole numbers from 0 to 2\^59"):
        read_tensors(write(tmp_path / "m.pth", state_pickle(a=tensor(**view))))


@WRITERS
def test_an_axis_of_one_entry_may_have_any_stride(tmp_path, write):
    state = state_pickle(a=tensor(shape=(1, 6), strides=(2**58, 1)))
    np.testing.assert_array_equal(read_tensors(write(tmp_path / "m.pth", state))["a"], NUMBERS.reshape(1, 6))


def patched(content, signature, offset, value):
    place = content.rindex(signature) + offset
    return content[:place] + value + content[place + len(value) :]


@pytest.mark.parametrize(
    "signature, offset, value, said",
    [
        (b"PK\1\2", 8, b"\1\0", "encrypted"),
        (b"PK\5\6", 16, b"\0\0\0\x80", "m.pth: "),  # The directory begins beyond the end.
        (b"PK\5\6", 12, b"\xff\xff\xff\x7f", "m.pth: "),  # It is as long as two gigabytes.
        (b"PK\1\2", 20, b"\xff\xff\xff\x7f\xff\xff\xff\x7f", "m.pth: "),  # So is a member.
        (b"PK\1\2", 42, b"\xff\xff\xff\x7f", "m.pth: "),  # A member begins beyond the end.
    ],
)
def test_damaged_directories_of_archives(tmp_path, signature, offset, value, said):
    content = write_zip(tmp_path / "m.pth", state_pickle(a=tensor())).read_bytes()
    (tmp_path / "m.pth").write_bytes(patched(content, signature, offset, value))
    with pytest.raises(ValueError, match=said) as raised:
        read_tensors(tmp_path / "m.pth")
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 800


def test_members_at_the_same_bytes_are_not_read_again_and_again(tmp_path):
    """The directory says of each storage that it lies where the first one lies."""
    names = [str(number) for number in range(40)]
    state = state_pickle(**{f"w{name}": tensor(key=name) for name in names})
    content = write_zip(tmp_path / "m.pth", state, {f"x/data/{name}": NUMBERS.tobytes() for name in names}).read_bytes()
    places = [place for place in range(len(content)) if content.startswith(b"PK\1\2", place)]
    first = content[places[1] + 42 : places[1] + 46]
    changed = bytearray(content)
    for place in places[2:]:
        changed[place + 42 : place + 46] = first
    # Without the bytes of the others the file is shorter than what its members have.
    (tmp_path / "m.pth").write_bytes(bytes(changed))
    with pytest.raises(ValueError, match=r"m\.pth: "):
        read_tensors(tmp_path / "m.pth")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "m.pth")
    with pytest.raises(ValueError, match="a pipe, expected a file"):
        read_tensors(tmp_path / "m.pth")
