"""What the other packages stand on: parameters as plain values, threads, streams of random numbers, the version."""
