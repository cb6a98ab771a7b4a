"""Single source of every fact that two parts of SpikeLoom share.

Number formats (:mod:`.numfmt`), the network description (:mod:`.population`,
:mod:`.network`), event words (:mod:`.aer`), build configurations (:mod:`.config`),
the register map (:mod:`.regmap`), run-time tables and memory images (:mod:`.tables`,
:mod:`.memmap`), the build id (:mod:`.build`), the artefact's manifest
(:mod:`.manifest`) and the errors (:mod:`.errors`).

This package imports the standard library and NumPy only, and nothing else of
SpikeLoom.
"""
