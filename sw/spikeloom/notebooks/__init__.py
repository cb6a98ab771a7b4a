"""Notebooks for a board; ``pynq get-notebooks`` delivers them."""
