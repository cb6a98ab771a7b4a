"""The accelerator in Amaranth HDL: components, top level and emission.

A core is a processor of an event stream.  The way of a spike through it::

    s_axis -> decode -> walker -> issue -> weights -> lanes -> spike encoder -> m_axis
                          ^                                        |
                          '----------------------------------------'

The sequencer closes ticks and samples population by population; the run-time
tables say which population feeds which.
"""
