"""The names of a batch's hidden files: whoever holds its lock knows that no other process uses them."""

import uuid

PREFIX = "batch-"
"""What the tokens of all hidden files of a batch begin with."""


def fresh() -> str:
    """Return a token that sets a hidden file of a batch apart from every other one."""
    return PREFIX + uuid.uuid4().hex[:12]
