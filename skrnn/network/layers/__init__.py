"""Layers of a network: what a shard of sequences runs through."""
