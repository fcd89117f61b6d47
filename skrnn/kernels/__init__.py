"""Compiled arithmetic: vector lanes, activations, matrix products, the time loop. Knows arrays, no estimator."""
