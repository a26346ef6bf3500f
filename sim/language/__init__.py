"""Instructions, questions and captions in English and Japanese, made from what the simulator knows.

All are drawn from the templates in the YAML files, each template independently of colour, object and
position, so that no wording gives an answer away.
"""

from sim.language.captions import caption, description
from sim.language.corpus import corpus
from sim.language.counterfactuals import counterfactual
from sim.language.families import FAMILIES, POINT, Question
from sim.language.infeasible import infeasible_instruction
from sim.language.instructions import instruction
from sim.language.items import image_left_key
from sim.language.parsing import (
    Description,
    Request,
    colors_named,
    fits,
    parse_instruction,
    unknown_colors_named,
)
from sim.language.polling import NEGATIVES, absent_pair, ask_whether, shown_pairs
from sim.language.questions import questions
from sim.language.references import reasoning_references
from sim.language.steps import own_step
from sim.language.translation import translate
from sim.language.vocabulary import LANGUAGES

__all__ = [
    "FAMILIES",
    "LANGUAGES",
    "NEGATIVES",
    "POINT",
    "Description",
    "Question",
    "Request",
    "absent_pair",
    "ask_whether",
    "caption",
    "colors_named",
    "corpus",
    "counterfactual",
    "description",
    "fits",
    "image_left_key",
    "infeasible_instruction",
    "instruction",
    "own_step",
    "parse_instruction",
    "questions",
    "reasoning_references",
    "shown_pairs",
    "translate",
    "unknown_colors_named",
]
