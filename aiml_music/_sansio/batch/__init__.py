"""Decisions of a batch: states, jobs, names, money, repeats."""
