"""Search for networks that are good and cheap on the hardware: accuracy against its costs.

:mod:`.space` says what may vary, :mod:`.cost` what a network costs on a build, :mod:`.study`
runs the trials; several processes share one journal file.  Importing this package imports
neither PyTorch nor Optuna.
"""
