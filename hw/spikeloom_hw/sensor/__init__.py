"""The sensor input: from the pins of an event camera to the input stream of a core.

    pins -> receiver -> mapper -> timestamper -> limiter -> packer -> merger -> core
                                                            host stream --^

Present in builds with ``BuildConfig.sensor``; :mod:`spikeloom.events.sensor` is its NumPy twin.
"""
