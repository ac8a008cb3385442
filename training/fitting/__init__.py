"""How a classifier learns: losses, phases, checkpoints, seeds, and the support vector machines."""
