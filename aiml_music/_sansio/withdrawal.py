"""What to say where the service no longer takes a model: that it is the model, and which others live.

Pure, behind `verdict`: a problem in, the same problem with its next step out.
"""

import re

from attrs import evolve

from aiml_music._sansio.catalogue import Model, living_models
from aiml_music._sansio.outcome import Outcome
from aiml_music._sansio.refusal import Refusal
from aiml_music._sansio.verdict import Problem

_GONE = frozenset({404, 410})
_ABOUT = frozenset({400, 422})
_MODEL = re.compile(r"\bmodel\b", re.IGNORECASE)


def explained(problem: Problem, refusal: Refusal, model: Model | None) -> Problem:
    """Return a problem that names the living models, where what was refused is the model.

    Args:
        problem: what the refusal came to.
        refusal: what the service said.
        model: what was asked for; None where no model was.
    """
    if model is None or problem.outcome is not Outcome.REJECTED or not _is_about_the_model(refusal):
        return problem
    since = (
        "" if model.withdrawn is None else f", and its documentation has called it withdrawn since {model.withdrawn}"
    )
    others = ", ".join(row.id for row in living_models() if row.id != model.id)
    return evolve(
        problem,
        hint=f"The service does not take {model.id}{since}. Pass model= one of those that live: {others}.",
    )


def _is_about_the_model(refusal: Refusal) -> bool:
    if refusal.status in _GONE:
        return True
    said = "model" in refusal.fields or _MODEL.search(refusal.api_message) is not None
    return refusal.status in _ABOUT and said
