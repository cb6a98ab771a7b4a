"""Cores on boards without a processor: a serial bridge, and the tops with pins and clocks."""
