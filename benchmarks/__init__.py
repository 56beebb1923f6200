"""How long operations and training steps take: `python -m benchmarks [stem ...]`."""
