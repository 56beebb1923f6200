"""The fast operations against the reference, one file for each stem."""
