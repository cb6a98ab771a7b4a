"""Training: spiking networks in PyTorch, down to the integers the hardware computes.

Importing this package does not import PyTorch.  :mod:`.encoders` and
:mod:`.datasets` need NumPy only, so that a board can encode new data from an
artefact's manifest; all others but :mod:`.config` need PyTorch.

The front door is :func:`spikeloom.train.run.train`.
"""
