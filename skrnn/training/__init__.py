"""Training: loss and gradient of a mini-batch, and the run over epochs."""
