"""From an ordinary convolutional network to a spiking one, down to the hardware's integers.

:func:`spikeloom.convert.run.convert_model` is the front door: it reads the network
(:mod:`.chain`, :mod:`.stages`), balances thresholds on data (:mod:`.balance`), rounds to the
contract's integers (:mod:`.integers`) and computes their spikes (:mod:`.simulate`).
:mod:`.activation` is the activation whose values spikes can carry exactly, for a few epochs
of fine-tuning (:mod:`.fit`).  Importing this package does not import PyTorch.
"""
