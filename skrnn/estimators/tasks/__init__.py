"""Targets: what a network is trained for."""
