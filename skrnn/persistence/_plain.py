"""Plain nested values, exactly, as what JSON can hold and arrays beside it.

JSON has None, bool, int, finite float, str, list, and dict with keys that are str as they are. Everything else is an
object whose only key is its kind:

======================  ================================================================================
``{"$items": []}``      dict with other keys, or with such that begin with "$": pairs
``{"$tuple": []}``      tuple
``{"$float": "nan"}``   what JSON has no number for: nan, inf, -inf
``{"$scalar": []}``     NumPy scalar: dtype and value
``{"$array": "0.npy"}`` array, by the name of its file; the same array twice is one file
``{"$objects": {}}``    object array of scalars: shape, and its items in a list
======================  ================================================================================
"""

import math
import re

import numpy as np

TIME_UNIT = r"\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]"
STORED_DTYPE = re.compile(rf"\|b1|\|[iu]1|<[iu][248]|<f[248]|<U\d{{1,9}}|<[mM]8{TIME_UNIT}")
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
VALUE_TYPES = {"b": bool, "i": int, "u": int, "f": float, "U": str}  # of the value of a NumPy scalar, by kind


def pack(value, place="content"):
    """What JSON can hold for a plain value, and a dict of the names of files to arrays for the rest.

    Raises a TypeError that names the place of what is not plain; `place` is what `value` itself is called.
    """
    packer = _Packer()
    return packer.pack(value, place), packer.arrays


def unpack(packed, arrays):
    """The value that `pack` packed; ValueError if `packed` is nothing that it makes, or an array is not used."""
    unpacker = _Unpacker(arrays)
    value = unpacker.unpack(packed)
    if unused := sorted(set(arrays) - unpacker.used):
        raise ValueError(f"nothing refers to the array {unused[0]}")
    return value


def stored_dtype(dtype):
    """Name of the dtype that stands in the file, little-endian; None if arrays of it are not stored."""
    name = dtype.newbyteorder("<").str
    return name if STORED_DTYPE.fullmatch(name) else None


class _Packer:
    def __init__(self):
        self.arrays, self._names = {}, {}

    def pack(self, value, place):
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return value
        if kind is float:
            return value if math.isfinite(value) else {"$float": str(value)}
        if kind in (list, tuple):
            packed = [self.pack(item, f"{place}[{k}]") for k, item in enumerate(value)]
            return packed if kind is list else {"$tuple": packed}
        if kind is dict:
            return self._pack_dict(value, place)
        if isinstance(value, np.generic):
            return self._pack_scalar(value, place)
        if kind in (np.ndarray, np.memmap):
            return self._pack_array(value, place)
        raise _not_plain(value, place)

    def _pack_dict(self, value, place):
        items = {key: self.pack(item, f"{place}[{key!r}]") for key, item in value.items()}
        if all(type(key) is str and not key.startswith("$") for key in items):
            return items
        return {"$items": [[self.pack(key, f"a key of {place}"), item] for key, item in items.items()]}

    def _pack_scalar(self, value, place):
        dtype = stored_dtype(value.dtype)
        if dtype is None or value.dtype.kind not in VALUE_TYPES:
            raise _not_plain(value, place)
        return {"$scalar": [dtype, self.pack(value.item(), place)]}

    def _pack_array(self, value, place):
        if value.dtype.kind == "O":
            items = value.ravel().tolist()
            if any(isinstance(item, (list, tuple, dict, np.ndarray)) for item in items):
                raise TypeError(f"{place} is an array of arrays or lists, which cannot be saved: make it a list.")
            packed = [self.pack(item, f"{place}[{k}]") for k, item in enumerate(items)]
            return {"$objects": {"shape": list(value.shape), "items": packed}}
        dtype = stored_dtype(value.dtype)
        if dtype is None:
            raise TypeError(f"{place} is an array of dtype {value.dtype}, which cannot be saved.")
        if id(value) not in self._names:
            name = self._names[id(value)] = f"{len(self.arrays)}.npy"
            self.arrays[name] = np.asarray(value, dtype, order="C")
        return {"$array": self._names[id(value)]}


def _not_plain(value, place):
    return TypeError(
        f"{place} is of type {type(value).__module__}.{type(value).__qualname__}, which cannot be saved: only numbers, "
        "strings, None, arrays, and lists, tuples and dicts of them can."
    )


class _Unpacker:
    def __init__(self, arrays):
        self.arrays, self.used = arrays, set()

    def unpack(self, packed):
        if isinstance(packed, list):
            return [self.unpack(item) for item in packed]
        if not isinstance(packed, dict):
            return packed
        kinds = [key for key in packed if key.startswith("$")]
        if not kinds:
            return {key: self.unpack(value) for key, value in packed.items()}
        if len(packed) > 1 or kinds[0] not in _UNPACK:
            raise ValueError(f"there is no kind of value {kinds[0]!r}, or something beside it")
        ((kind, value),) = packed.items()
        wanted, unpack = _UNPACK[kind]
        return unpack(self, _of_type(wanted, value, kind))

    def _tuple(self, items):
        return tuple(self.unpack(items))

    def _items(self, pairs):
        value = {}
        for pair in pairs:
            key, item = _pair(pair)
            key = self.unpack(key)
            try:
                known = key in value
            except TypeError:
                raise ValueError(f"{key!r} is the key of a dict") from None
            if known:
                raise ValueError(f"the key {key!r} comes twice")
            value[key] = self.unpack(item)
        return value

    def _float(self, name):
        if name not in NOT_FINITE:
            raise ValueError(f"{name!r} is no number")
        return NOT_FINITE[name]

    def _scalar(self, pair):
        name, value = _pair(pair)
        dtype = dtype_of(name)
        if dtype.kind not in VALUE_TYPES:
            raise ValueError(f"{name} is no dtype of stored scalars")
        value = _of_type(VALUE_TYPES[dtype.kind], self.unpack(value), name)
        try:
            return dtype.type(value)
        except OverflowError:
            raise ValueError(f"{value} is no number of dtype {name}") from None

    def _array(self, name):
        if name not in self.arrays:
            raise ValueError(f"there is no array {name}")
        self.used.add(name)
        return self.arrays[name]

    def _objects(self, description):
        if set(description) != {"shape", "items"}:
            raise ValueError(f"an object array has the keys {sorted(description)}")
        shape, items = shape_of(description["shape"]), _of_type(list, self.unpack(description["items"]), "items")
        if math.prod(shape) != len(items) or any(isinstance(item, (list, tuple, dict, np.ndarray)) for item in items):
            raise ValueError(f"an object array of shape {shape} has {len(items)} items, or such that are no scalars")
        array = np.empty(len(items), object)
        array[:] = items
        return array.reshape(shape)


_UNPACK = {
    "$tuple": (list, _Unpacker._tuple),
    "$items": (list, _Unpacker._items),
    "$float": (str, _Unpacker._float),
    "$scalar": (list, _Unpacker._scalar),
    "$array": (str, _Unpacker._array),
    "$objects": (dict, _Unpacker._objects),
}


def dtype_of(name):
    """The dtype of a name in a file, without the interpretation that NumPy gives to other names."""
    if not (isinstance(name, str) and STORED_DTYPE.fullmatch(name)):
        raise ValueError(f"{name!r} is no dtype of stored arrays")
    try:
        return np.dtype(name)
    except TypeError as error:
        raise ValueError(f"{name!r} is no dtype: {error}") from None


def shape_of(shape):
    """A shape in a file, as a tuple."""
    if not isinstance(shape, list) or len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**62 for n in shape):
        raise ValueError(f"{shape!r} is no shape")
    return tuple(shape)


def _of_type(wanted, value, kind):
    if type(value) is not wanted:
        raise ValueError(f"{kind!r} has a value of type {type(value).__name__} instead of {wanted.__name__}")
    return value


def _pair(value):
    if not (isinstance(value, list) and len(value) == 2):
        raise ValueError(f"{value!r} is no pair")
    return value
