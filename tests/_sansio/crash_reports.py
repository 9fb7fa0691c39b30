"""What a crash report could show of an error."""

import traceback


def told(error: BaseException) -> str:
    """Return words, causes, attributes, and the locals of every frame but the test's own."""
    assert error.__traceback__
    ours = error.__traceback__.tb_next
    report = traceback.TracebackException(type(error), error, ours, capture_locals=True)
    return "".join([*report.format(), repr(error), repr(error.__context__), repr(error.__cause__), repr(vars(error))])
