"""SpikeLoom: spiking neural networks from PyTorch to an FPGA, bit for bit.

The front door of the distribution.  Importing it is cheap: it needs neither
PyTorch nor Amaranth, so that a board with NumPy alone can import
``spikeloom.board``.
"""

__version__ = "0.1.0"
