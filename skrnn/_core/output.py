"""Lines on standard output."""


def say(text):
    """Print a line, unless standard output is closed or not writable."""
    try:
        print(text)
    except (AttributeError, OSError, ValueError):
        pass
