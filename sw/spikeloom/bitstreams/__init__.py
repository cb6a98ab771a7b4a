"""From a build and a board to a bitstream, or to everything that its vendor's tool needs.

:mod:`.boards` says what each board is, :mod:`.vivado` prepares and runs Vivado, :mod:`.ecp5`
runs the open tools, and :mod:`.manifest` describes what came out.
"""
