"""Read the pickle inside a PyTorch checkpoint as data: tensors, and the containers around them.

A pickle is a program for a stack machine, and Python's own machine calls whatever the program names. This machine runs
the two dozen instructions that checkpoints need, imports nothing and calls nothing: it recognises the few globals that
mean "tensor", "storage" and "ordered dictionary" by name, and any other name is an error.
"""

import pickletools
from typing import Any, BinaryIO, NamedTuple

import jax.numpy as jnp
import numpy as np

from lena_jax.runtime.untrusted import described

# Some forty for each tensor, and a large network has a thousand. What they build lies in memory.
_MOST_INSTRUCTIONS = 300_000
# Larger keys could be chosen so that a dictionary has to try all places for each.
_LARGEST_KEY = 2**31
STORAGE_TYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": np.dtype(jnp.bfloat16),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_ORDERED_DICT = "collections.OrderedDict"
_TENSORS = ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor")
_PARAMETER = "torch._utils._rebuild_parameter"
_ALLOWED = {_ORDERED_DICT, *_TENSORS, _PARAMETER, *(f"torch.{name}" for name in STORAGE_TYPES)}

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINSTRING",
    "SHORT_BINSTRING",
}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class Storage(NamedTuple):
    """A block of numbers that the checkpoint keeps apart from the pickle."""

    dtype: np.dtype
    key: str
    size: int


class TensorRecord(NamedTuple):
    """A view of a storage: `offset`, `shape` and `strides` count elements. None of it has been checked yet."""

    storage: Storage
    offset: Any
    shape: Any
    strides: Any


class _Global(NamedTuple):
    name: str


class _Mark:
    pass


def read_pickle(file: BinaryIO) -> Any:
    """Read one pickle from the current position of `file`, and leave the position after the pickle's end.

    Returns:
        Dictionaries, lists, tuples, strings, numbers, None, and a `TensorRecord` for each tensor.

    Raises:
        ValueError: if the pickle is damaged, has too many instructions, or needs a global or an instruction that
            tensors do not need; the message names it. No message has more of the pickle than a name or a number.
    """
    machine = _Machine()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        if number == _MOST_INSTRUCTIONS:
            raise ValueError(f"refused pickle: more than {_MOST_INSTRUCTIONS:,} instructions")
        if opcode.name == "STOP":
            return machine.pop()
        machine.step(opcode.name, argument)
    raise ValueError("damaged pickle: it has no end")


class _Machine:
    """The stack and the memo of one pickle."""

    def __init__(self):
        self._stack = []
        self._memo = {}

    def pop(self) -> Any:
        if not self._stack:
            raise ValueError("damaged pickle: it takes a value from an empty stack")
        return self._stack.pop()

    def step(self, name: str, argument: Any) -> None:
        push = self._stack.append
        if name in _LITERALS:
            push(argument)
        elif name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in ("PROTO", "FRAME"):
            pass
        elif name == "MARK":
            push(_Mark)
        elif name == "EMPTY_DICT":
            push({})
        elif name == "EMPTY_LIST":
            push([])
        elif name == "TUPLE":
            push(tuple(self._pop_to_mark()))
        elif name in _TUPLES:
            push(tuple(self.pop() for _ in range(_TUPLES[name]))[::-1])
        elif name in ("APPEND", "APPENDS"):
            items = self._pop_to_mark() if name == "APPENDS" else [self.pop()]
            self._top(list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._pop_to_mark() if name == "SETITEMS" else [self.pop(), self.pop()][::-1]
            self._set_items(items)
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = self._top(object)
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self._memo:
                raise ValueError(f"damaged pickle: it refers to value {argument}, which it has not stored")
            push(self._memo[argument])
        elif name == "GLOBAL":
            push(_allowed_global(argument.replace(" ", ".", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = self.pop(), self.pop()
            if not (isinstance(attribute, str) and isinstance(module, str)):
                raise ValueError(f"damaged pickle: it names a global {described((module, attribute))}")
            push(_allowed_global(f"{module}.{attribute}"))
        elif name == "BINPERSID":
            push(_storage(self.pop()))
        elif name == "REDUCE":
            arguments, function = self.pop(), self.pop()
            push(_rebuild(function, arguments))
        elif name == "BUILD":
            # The metadata of a state dictionary: versions of layers, which nothing needs.
            self.pop()
            self._top(dict)
        else:
            raise ValueError(f"refused pickle instruction {name}: a file of tensors has no use for it")

    def _top(self, kind: type) -> Any:
        if not self._stack or not isinstance(self._stack[-1], kind):
            raise ValueError(f"damaged pickle: expected a {kind.__name__} on top of the stack")
        return self._stack[-1]

    def _pop_to_mark(self) -> list:
        items = []
        while (item := self.pop()) is not _Mark:
            items.append(item)
        return items[::-1]

    def _set_items(self, items: list) -> None:
        target = self._top(dict)
        if len(items) % 2:
            raise ValueError("damaged pickle: a dictionary gets a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, int)):
                raise ValueError(f"refused pickle: dictionary key of type {type(key).__name__}, expected str or int")
            if isinstance(key, int) and abs(key) >= _LARGEST_KEY:
                raise ValueError(f"refused pickle: dictionary key {described(key)}, expected less than {_LARGEST_KEY}")
            target[key] = value


def _allowed_global(name: str) -> _Global:
    if name not in _ALLOWED:
        raise ValueError(
            f"refused pickle: it asks for the global {described(name)}, and a file of tensors has no use for it"
        )
    return _Global(name)


def _storage(description: Any) -> Storage:
    match description:
        case ("storage", _Global(kind), str(key), _, int(size), *view) if (
            kind.removeprefix("torch.") in STORAGE_TYPES and view in ([], [None]) and size >= 0
        ):
            return Storage(STORAGE_TYPES[kind.removeprefix("torch.")], key, size)
    raise ValueError(f"refused pickle: cannot read the storage described as {described(description)}")


def _rebuild(function: Any, arguments: Any) -> Any:
    match function, arguments:
        case _Global(name=name), ():
            if name == _ORDERED_DICT:
                return {}
        case _Global(name=name), (TensorRecord() as tensor, *_):
            if name == _PARAMETER:
                return tensor
        case _Global(name=name), (Storage() as storage, offset, shape, strides, *_):
            if name in _TENSORS:
                return TensorRecord(storage, offset, shape, strides)
    what = described(function.name if isinstance(function, _Global) else function)
    raise ValueError(f"refused pickle: it calls {what} in a way that no tensor needs")
