"""C files, put together from the parts of a network."""
