"""Lives of jobs, one legal mark after the other."""

from aiml_music._sansio.batch.states import IllegalTransitionError, JobState, Mark, after


def legal_after(state: JobState | None) -> list[Mark]:
    """Return the marks that may follow on a state."""
    return [mark for mark in Mark if _is_legal(state, mark)]


def _is_legal(state: JobState | None, mark: Mark) -> bool:
    try:
        after(state, mark)
    except IllegalTransitionError:
        return False
    return True
