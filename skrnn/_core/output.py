"""Lines on standard output."""


def say(text):
    """Print a line; where standard output is closed, or is no stream to write to, nobody is there to read it."""
    try:
        print(text)
    except (AttributeError, OSError, ValueError):
        pass
