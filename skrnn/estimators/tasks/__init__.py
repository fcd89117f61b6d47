"""Targets as tasks: reading y, encoding it, its loss, and predictions from the outputs of a network.

No estimator is known here.
"""
