"""Instructions, questions and captions in English and Japanese, made from what the simulator knows.

All are drawn from the templates in en.yaml and ja.yaml, each template independently of colour, object and
position, so that no wording gives an answer away.
"""

from sim.language.captions import caption
from sim.language.corpus import corpus
from sim.language.families import POINT, Question
from sim.language.instructions import instruction
from sim.language.parsing import NamedColors, colors_named, named_objects, unknown_colors_named
from sim.language.questions import FAMILIES, questions
from sim.language.truth import image_left_key
from sim.language.vocabulary import LANGUAGES

__all__ = [
    "FAMILIES",
    "LANGUAGES",
    "POINT",
    "NamedColors",
    "Question",
    "caption",
    "colors_named",
    "corpus",
    "image_left_key",
    "instruction",
    "named_objects",
    "questions",
    "unknown_colors_named",
]
