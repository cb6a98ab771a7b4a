"""The compact core: the least logic, one neuron and one pair of spikes after the other.

It runs what a build without options runs, from the same tables and weights and with the same
answers as :class:`spikeloom_hw.core.Core`, in more cycles: the rows of a pair of spikes go at one
per cycle, but nothing runs beside anything else, and one arithmetic unit serves all neurons.
"""
