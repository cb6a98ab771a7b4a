"""The simulation side of SpikeLoom: golden model, simulated cores and the scoreboard.

:mod:`.golden` says what a network means, :mod:`.matrix` computes the same fast,
:mod:`.transports` opens a simulated core behind the driver's transport interface,
:mod:`.compare` finds the first difference between two runs.
"""
