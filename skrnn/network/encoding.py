"""From the channels of sequences to the numbers that a network reads.

`InputColumns` are what is known of the channels without arithmetic: their roles, and codes of tokens and categories;
`InputEncoder` adds means and scales, and encodes. This file alone knows in which order the columns come.
"""

from functools import partial
from inspect import signature

import numpy as np

from ..sequences import SequenceArray
from ..sequences._chunks import Scan, itself
from ..sequences._convert import check_values
from ..sequences._layout import place
from ..sequences._steps import are_finite, is_text
from ..sequences._subwords import encode_subwords, learn_subwords
from ..sequences._vocabulary import encode_tokens, learn_vocabulary
from .differences import are_smooth, difference_scale
from .moments import kernel_of, laid_out, moments, put_standardized
from .vocabularies import are_words, check_codes, check_known, check_subwords, count_values, min_count_of

LARGEST_EMBEDDING, LARGEST_OF_PARTS = 64, 16
LARGEST_SINGLE = float(np.finfo(np.float32).max)


def default_embedding_dim(n_codes):
    """Numbers that stand for one of `n_codes` codes: 1.6 n^0.56, a rule of thumb of practitioners, up to 64."""
    return int(min(LARGEST_EMBEDDING, max(2, round(1.6 * n_codes**0.56))))


class InputColumns:
    """The columns that a network reads of the channels of sequences.

    They are: the channels of numbers; with a time channel the time since the step before; with ``missing="mask"`` or
    "decay" after all these as many columns that are 1 where a value was measured, and as many of the time since it last
    was; then for each channel of tokens or categories the codes, and behind them those of `subwords`. With
    `differences`, which go with none of these, they are the channels and after all of them the change of each since the
    step before, which is 0 at the first step.

    Parameters
    ----------
    n_channels : int
        Channels of the sequences.
    missing : {"error", "mask", "decay", "blank"}
        NaN raises an error, becomes 0, which is the mean, or becomes the last value that was seen, for the network to
        let it decay. "blank" is "mask" without the columns that say so.
    time_channel : int or None
        Channel that holds time stamps.
    categories : dict of int to dict
        For each channel of tokens or categories their codes 1, 2, ...; 0 is for all others.
    differences : bool, default=False
        Whether changes from step to step are read, too.
    subwords : dict of int to dict, default=None
        For each channel of tokens the codes of their parts, as of `learn_subwords`; None where these are not read.
    """

    def __init__(self, n_channels, missing, time_channel, categories, differences=False, subwords=None):
        self.n_channels, self.missing, self.time_channel = n_channels, missing, time_channel
        self.categories, self.differences, self.subwords = categories, differences, subwords

    @property
    def numbers(self):
        """Channels of numbers, the time channel last."""
        return number_channels(self.n_channels, self.categories, self.time_channel)

    @property
    def is_text(self):
        """Whether the sequences are of tokens."""
        return any(isinstance(next(iter(known)), str) for known in self.categories.values())

    @property
    def decays(self):
        """Whether there are numbers that the network lets decay."""
        return self.missing == "decay" and len(self.numbers) > 0

    @property
    def n_columns(self):
        """Columns that the network gets."""
        n_of_number = 3 if self.missing in ("mask", "decay") else 2 if self.differences else 1
        return len(self.numbers) * n_of_number + len(self.channels_of_codes)

    @property
    def channels_of_codes(self):
        """For each column of codes its channel."""
        n_parts = {channel: len(parts) for channel, parts in (self.subwords or {}).items()}
        return [channel for channel in self.categories for _ in range(1 + n_parts.get(channel, 0))]

    def embeddings(self, n_dims):
        """Description of the columns of codes, as `Structure` wants it; `n_dims`: numbers per code, or "auto"."""
        first, sizes = self.n_columns - len(self.channels_of_codes), []
        for channel, known in self.categories.items():
            parts = self.subwords[channel].values() if self.subwords else ()
            sizes += [(len(known) + 1, np.inf), *((len(texts) + 1, LARGEST_OF_PARTS) for texts in parts)]
        return tuple(
            (first + k, size, min(default_embedding_dim(size) if n_dims == "auto" else n_dims, largest))
            for k, (size, largest) in enumerate(sizes)
        )

    def codes(self, values, channel):
        """The columns of codes (n_steps, n) of the values of a channel."""
        own = encode_tokens(values, self.categories[channel])[:, np.newaxis]
        return np.hstack([own, encode_subwords(values, self.subwords[channel])]) if self.subwords else own

    @property
    def sees_one_step(self):
        """Whether the columns of a step depend on nothing but the step."""
        return self.missing in ("error", "blank") and self.time_channel is None and not self.differences

    @property
    def only_numbers(self):
        """Whether the columns are the channels, standardised, and at most their changes: nothing has gaps or codes."""
        return not self.categories and self.time_channel is None and self.missing == "error"


class InputEncoder(InputColumns):
    """Encoding of channels as the columns that a network reads, with the numbers standardised.

    Parameters
    ----------
    n_channels, missing, time_channel, categories, differences, subwords :
        See `InputColumns`.
    mean, scale : ndarray of shape (n_channels,)
        Subtracted from the channels, and their divisors: 0 and 1 for those of codes. At the place of the time channel,
        those of the time since the step before.
    time_scale : ndarray of shape (n_numbers,) or None
        Divisors of the times since columns of numbers were last seen.
    difference_scale : ndarray of shape (n_channels,), default=None
        Divisors of the changes of standardised channels, if these are read.
    """

    def __init__(
        self,
        n_channels,
        missing,
        time_channel,
        categories,
        mean,
        scale,
        time_scale,
        differences=False,
        difference_scale=None,
        subwords=None,
    ):
        super().__init__(n_channels, missing, time_channel, categories, differences, subwords)
        self.mean, self.scale, self.time_scale, self.difference_scale = mean, scale, time_scale, difference_scale

    def encode(self, sequences, dtype):
        """The numbers that the network reads, (n_steps, n_columns), finite in `dtype`."""
        encoded, row = np.empty((len(sequences.values), self.n_columns), dtype), 0
        for chunk in Scan(sequences).map(itself, whole=not self.sees_one_step):
            self._encode(chunk, encoded[row : row + len(chunk.values)])
            row += len(chunk.values)
        return encoded

    def encode_finite(self, values, offsets, dtype):
        """What `encode` gives for some sequences, where `only_numbers`; None if a number is not finite in `dtype`."""
        encoded = np.empty((len(values), self.n_columns), dtype)
        if values.itemsize > encoded.itemsize:  # else one that is not finite is seen in what comes of it
            least, most = np.minimum.reduce(values, axis=None), np.maximum.reduce(values, axis=None)
            if not -LARGEST_SINGLE <= least <= most <= LARGEST_SINGLE:
                return None
        self._encode_numbers(values, offsets, encoded)
        return encoded if are_finite(encoded) else None

    def _encode_numbers(self, values, offsets, out):
        """Fill `out` with channels and their changes, where `only_numbers`."""
        put_standardized(values, self.mean, self.scale, out)
        if self.differences:
            what = laid_out(values), laid_out(offsets), self.mean, self.scale, self.difference_scale
            kernel_of("difference")(*what, out)

    def check(self, sequences, dtype):
        """Raise the ValueError that `encode` would raise, without memory for all that it returns.

        Returns the largest absolute value that it would return.
        """
        return max(Scan(sequences).map(partial(self._largest, dtype), whole=not self.sees_one_step))

    def _largest(self, dtype, chunk):
        encoded = np.empty((len(chunk.values), self.n_columns), dtype)
        self._encode(chunk, encoded)
        return max(float(encoded.max()), -float(encoded.min()))

    def _encode(self, sequences, out):
        """Fill `out` with the columns of some of the sequences."""
        if self.only_numbers:
            self._encode_numbers(sequences.values, sequences.offsets, out)
        else:
            with np.errstate(over="ignore"):
                out[:] = np.hstack([*self._numbers(sequences), *self._codes(sequences)])
        n_values = self.n_channels if self.differences else out.shape[1]
        for columns, name in ((out[:, :n_values], "X, standardized,"), (out[:, n_values:], "the change of X")):
            if columns.shape[1]:
                encoded = SequenceArray(columns, sequences.offsets)
                encoded._origin = sequences._origin
                check_values(encoded, out.dtype, name=name)

    @property
    def most_steps_before(self):
        """How many of the steps before another its columns can depend on, at most."""
        if self.sees_one_step:
            return 0
        return 1 if self.missing == "error" else np.iinfo(np.int64).max

    def n_steps_before(self, values, begin, n_before):
        """How many of the `n_before` steps before row `begin` of `values` the columns of later steps depend on."""
        if self.sees_one_step:
            return 0
        n = 1
        if self.missing != "error":  # back to where each number has been seen
            numbers = self.numbers
            while n < n_before and np.isnan(values[begin - n : begin, numbers]).all(axis=0).any():
                n *= 2
        return min(n, n_before)

    def to_plain(self):
        """The arguments of `InputEncoder` by name, for files."""
        return dict(vars(self))

    @classmethod
    def from_plain(cls, plain):
        """The encoder that `to_plain` described; ValueError if it is none that `learn_scales` makes."""
        # files of earlier versions know neither differences nor subwords
        later = {"differences": False, "difference_scale": None, "subwords": None}
        plain = later | plain if isinstance(plain, dict) else plain
        if not isinstance(plain, dict) or set(plain) != set(signature(cls).parameters):
            raise ValueError(f"inputs are described by {sorted(signature(cls).parameters)}, not by {plain!r:.200}")
        inputs = cls(**{name: _native(value) for name, value in plain.items()})
        inputs._check()
        return inputs

    def _check(self):
        n_channels, categories, time_channel = self.n_channels, self.categories, self.time_channel
        if type(n_channels) is not int or n_channels < 1:
            raise ValueError(f"{n_channels!r} is no number of channels")
        _check_finite(self.mean, n_channels, "mean")  # before any work for each of so many channels
        _check_finite(self.scale, n_channels, "scale")
        if self.missing not in ("error", "mask", "decay", "blank"):
            raise ValueError(f"{self.missing!r} is no policy for missing values")
        if time_channel is not None and not _is_one_of(time_channel, n_channels):
            raise ValueError(f"{time_channel!r} is no time channel of {n_channels} channels")
        if not isinstance(categories, dict) or time_channel in categories:
            raise ValueError("categories is no dict, or holds the time channel")
        if not all(_is_one_of(channel, n_channels) for channel in categories):
            raise ValueError(f"there are codes for channels that do not exist: {list(categories)[:10]}")
        check_known(categories.values())
        if self.subwords is not None:
            check_subwords(self.subwords, list(categories) if self.is_text else [])
        n_times = len(self.numbers)
        if self.missing in ("mask", "decay") and n_times:
            _check_finite(self.time_scale, n_times, "time_scale")
        elif self.time_scale is not None:
            raise ValueError("there is a time_scale without missing values")
        if type(self.differences) is not bool or (self.differences and not self.only_numbers):
            raise ValueError("there are differences of what has gaps or codes")
        if self.differences:
            _check_finite(self.difference_scale, n_channels, "difference_scale")
        elif self.difference_scale is not None:
            raise ValueError("there is a difference_scale without differences")

    def _numbers(self, sequences):
        """Columns of numbers, and what comes with them."""
        numbers = self.numbers
        if not len(numbers):
            return
        values = self.standardized(numbers_and_gaps(sequences, numbers, self.time_channel))
        if self.missing in ("error", "blank"):
            yield from self.columns_of_numbers(values)
            return
        last, times = last_seen(~np.isnan(values), sequences.offsets), step_times(sequences, self.time_channel)
        seen = np.take_along_axis(values, last, axis=0) if self.missing == "decay" else None
        yield from self.columns_of_numbers(values, seen, times[:, np.newaxis] - times[last])

    def standardized(self, values):
        """Channels of numbers (n, n_numbers), the time channel last, less their means and divided by their scales."""
        out = np.empty(values.shape)
        put_standardized(values, self.mean[self.numbers], self.scale[self.numbers], out)
        return out

    def columns_of_numbers(self, values, last=None, since=None):
        """What the network reads of standardised numbers (n, n_numbers): a list of the columns, of one kind each.

        last : the values that were seen last, where they decay; since : the time since then, where it is read
        """
        if self.missing == "error":
            return [values]
        shown = last if self.missing == "decay" else values
        columns = [np.where(np.isnan(shown), 0, shown)]
        return columns if self.missing == "blank" else [*columns, ~np.isnan(values), since / self.time_scale]

    def _codes(self, sequences):
        for channel in self.categories:
            if not self.is_text:
                check_codes(sequences, channel)
            yield self.codes(sequences.values[:, channel], channel)


def _native(value):
    """An array in the byte order of this machine, for kernels; anything else as it is."""
    is_foreign = isinstance(value, np.ndarray) and not value.dtype.isnative
    return value.astype(value.dtype.newbyteorder("=")) if is_foreign else value


def _is_one_of(channel, n_channels):
    return type(channel) is int and 0 <= channel < n_channels


def _check_finite(array, n, name):
    if not isinstance(array, np.ndarray) or array.shape != (n,) or array.dtype != np.float64:
        raise ValueError(f"{name} of the inputs is no array of {n} floats of 64 bits")
    if not np.isfinite(array).all() or (name != "mean" and not (array > 0).all()):
        raise ValueError(f"{name} of the inputs is not finite, or not above 0")


def learn_columns(
    sequences,
    weight,
    *,
    missing="error",
    time_channel=None,
    categorical=(),
    min_count=1,
    differences=False,
    subwords=False,
):
    """Learn `InputColumns` from sequences.

    Parameters
    ----------
    sequences : SequenceArray
    weight : ndarray of shape (n_sequences,) or (n_steps,)
        Of each sequence or step in counts of tokens; those of weight 0 are not looked at.
    missing, time_channel :
        See `InputColumns`.
    categorical : sequence of int
        Channels of codes.
    min_count : int or "auto"
        Least sum of weights with which a token gets a code of its own; with 1 any that occurs. "auto" is 2 where parts
        of tokens are read and any token occurs twice, else 1.
    differences : bool or "auto"
        Whether to read changes from step to step; "auto" does where there are only numbers, and these `are_smooth`.
    subwords : bool or "auto"
        Whether to read parts of tokens; "auto" does where these `are_words`.
    """
    scan = Scan(sequences, weight)
    counts = count_values(scan, categorical)
    if subwords is True and not is_text(sequences.values):
        raise ValueError('subwords=True reads parts of words: X must hold tokens (str). Use subwords="auto" or False.')
    if subwords == "auto":
        least = min_count_of(min_count, reads_subwords=True)
        subwords = is_text(sequences.values) and any(are_words(of_channel, least) for of_channel in counts.values())
    least, is_auto = min_count_of(min_count, subwords), min_count == "auto"
    categories = {
        channel: learn_vocabulary(of_channel, 1 if is_auto and max(of_channel.values(), default=0) < least else least)
        for channel, of_channel in counts.items()
    }
    columns = InputColumns(sequences.n_channels, missing, time_channel, categories)
    if subwords:
        columns.subwords = {channel: learn_subwords(of_channel) for channel, of_channel in counts.items()}
    if differences is True and not columns.only_numbers:
        raise ValueError(
            "differences=True reads the change of each number from step to step: X must hold numbers only, without "
            'tokens, categorical_features, time_channel, and with missing="error". Use differences="auto" or False.'
        )
    if differences == "auto":
        differences = columns.only_numbers and are_smooth(scan, columns.numbers)
    columns.differences = differences
    return columns


def learn_scales(columns, sequences, weight, standardize=True):
    """Learn the `InputEncoder` of columns: means and scales of sequences, weighted as in `learn_columns`."""
    n_channels, numbers, time_channel = columns.n_channels, columns.numbers, columns.time_channel
    encoder = InputEncoder(**vars(columns), mean=np.zeros(n_channels), scale=np.ones(n_channels), time_scale=None)
    if not len(numbers):
        return encoder

    scan = Scan(sequences, weight)
    if standardize:

        def of_numbers(function):
            function = partial(_of_numbers, function, numbers, time_channel)
            return scan.map(function, whole=time_channel is not None)

        encoder.mean[numbers], encoder.scale[numbers] = moments(of_numbers, numbers)
    if columns.missing in ("mask", "decay"):
        encoder.time_scale = _time_scale(scan, numbers, time_channel)
    if columns.differences:
        encoder.difference_scale = np.ones(n_channels)
        if standardize:
            encoder.difference_scale[:] = difference_scale(scan, encoder.mean, encoder.scale)
    return encoder


def _of_numbers(function, numbers, time_channel, chunk, of_rows):
    return function(numbers_and_gaps(chunk, numbers, time_channel), of_rows)


def number_channels(n_channels, categorical, time_channel):
    """Channels that do not hold codes, the time channel last."""
    numbers = [c for c in range(n_channels) if c not in categorical and c != time_channel]
    return np.array(numbers + ([] if time_channel is None else [time_channel]), np.intp)


def numbers_and_gaps(sequences, numbers, time_channel):
    """Channels of numbers; in the place of time stamps, which come last, the time since the step before."""
    whole = np.array_equal(numbers, np.arange(sequences.n_channels))
    values = sequences.values if whole else sequences.values[:, numbers]
    if time_channel is not None:
        values = values.astype(np.float64)
        with np.errstate(over="ignore"):  # as everywhere: what is infinite is refused when it is measured or encoded
            values[:, -1] = np.diff(step_times(sequences, time_channel), prepend=0)
        values[sequences.offsets[:-1], -1] = 0
    return values


def step_times(sequences, time_channel):
    """Time of each step: its number, or what the time channel holds; these must rise within a sequence.

    The only step of a sequence that is missing, NaN in all channels, needs none: there is no time since a step before.
    """
    if time_channel is None:
        return np.arange(len(sequences.values), dtype=np.float64)
    times = sequences.values[:, time_channel].astype(np.float64)
    begins = sequences.offsets[:-1][sequences.lengths == 1]
    times[begins[np.isnan(sequences.values[begins]).all(axis=1)]] = 0
    wrong = ~np.isfinite(times)
    rises = times[1:] > times[:-1]
    rises[sequences.offsets[1:-1] - 1] = True
    wrong[1:] |= ~rises
    if wrong.any():
        row = int(wrong.argmax())
        i, step = place(sequences.offsets, row, sequences._origin)
        before = "" if step == 0 else f" after {times[row - 1]}"
        raise ValueError(
            f"The time stamps in channel {time_channel} must be finite and rise from step to step; sequence {i}, step "
            f"{step} has {times[row]}{before}."
        )
    return times


def last_seen(seen, offsets):
    """For each entry of `seen` (n_steps, C) the row of the last one that is True, at least the sequence's first row."""
    first = np.repeat(offsets[:-1], np.diff(offsets))[:, np.newaxis]
    rows = np.arange(len(seen))[:, np.newaxis]
    return np.maximum.accumulate(np.where(seen, rows, first), axis=0)


def _time_scale(scan, numbers, time_channel):
    """Mean time since each column was last seen, over the steps at which it is not seen; 1 if it always is."""
    total, sums = np.zeros((2, len(numbers)))
    with np.errstate(over="ignore", invalid="ignore"):
        for of_chunk in scan.map(partial(_times_of_chunk, numbers, time_channel), whole=True):
            total += of_chunk[0]
            sums += of_chunk[1]
        mean = sums / np.where(total > 0, total, 1)
    if not np.isfinite(mean).all():
        raise ValueError(f"The time stamps in channel {time_channel} are too large, their sum overflows: rescale them.")
    return np.where(mean > 0, mean, 1.0)


def _times_of_chunk(numbers, time_channel, chunk, of_rows):
    """Weight of the steps at which each column is not seen, and weighted sum of the times since it was."""
    seen, times = ~np.isnan(numbers_and_gaps(chunk, numbers, time_channel)), step_times(chunk, time_channel)
    with np.errstate(over="ignore", invalid="ignore"):
        since = times[:, np.newaxis] - times[last_seen(seen, chunk.offsets)]
        count = of_rows[:, np.newaxis] * (since > 0)
        return count.sum(axis=0), (count * since).sum(axis=0)
