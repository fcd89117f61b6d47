"""Names of channels."""


def str_names(names):
    """Return names as a tuple if they are str; None if none of them is, like the numbers of unnamed columns.

    A mixture is refused, as scikit-learn does: the order of such columns could not be compared later.
    """
    names = list(names)
    texts = [isinstance(name, str) for name in names]
    if all(texts):
        return tuple(map(str, names)) or None
    if any(texts):
        other = names[texts.index(False)]
        raise TypeError(
            f"Names of channels must be all str or all of other types, got {names[texts.index(True)]!r} and {other!r}: "
            "use frame.columns = frame.columns.astype(str), or choose columns."
        )
    return None


def checked_names(names, n_channels):
    """Return the names that a user gives as a tuple, one str for each channel; None stays None."""
    if names is None:
        return None
    found = tuple(names) if not isinstance(names, str) and hasattr(names, "__iter__") else None
    if found is None or not all(isinstance(name, str) for name in found):
        raise ValueError(f"channel_names must be a list of str, got {names!r}.")
    if len(found) != n_channels:
        raise ValueError(f"channel_names has {len(found)} names for {n_channels} channels.")
    return tuple(map(str, found))


def joined_names(parts):
    """Return the names of channels from several parts put side by side; None if one has none, or names would repeat."""
    if any(part is None for part in parts):
        return None
    names = tuple(name for part in parts for name in part)
    return names if len(set(names)) == len(names) else None
