"""Networks over one vector of parameters: structure, layers, memory, encoded sequences, prediction."""
