"""NIR, the neuromorphic intermediate representation: other frameworks' networks in and out.

:func:`.reading.read_graph` opens a file without trust in it, :func:`.meaning.choose` settles
what NIR leaves open, :class:`.interpret.Interpreter` runs the graph in float64,
:func:`.calibrate.convert` makes integers of it and :func:`.agreement.compare` says how well,
:func:`.export.export_graph` writes.  A page of the documentation says how to use them.
"""
