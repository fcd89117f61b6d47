"""Foundations of the other packages: parameters as plain values, threads, random numbers, the version."""
