"""The same numbers as PyTorch, where it is installed: fifty steps in float64 agree to 1e-9.

What is defined differently is listed in docs/numerics.md, with the reason.
"""
