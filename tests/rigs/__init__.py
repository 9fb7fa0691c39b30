"""Rigs that kill whole processes, and hold what they leave to the promise of a batch."""
