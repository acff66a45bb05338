"""Distilling: a small student that stands in for a large winner, and what that loses.

Where an ensemble wins, or the winner is too slow for where it is to run, a student learns from the labels *and* from what
the winner says of the same rows (Buciluă, Caruana & Niculescu-Mizil 2006; Hinton, Vinyals & Dean 2015). The winner's
answers are out of fold: for each row they come from models that did not see its label. Students are examined on the outer
folds, paired with the winner's own scores there, by the test that a verdict asks of any cheaper model.

`Study.distil` and ``sharewise distil`` are the way in.
"""

from sharewise.distilling._boosted import BoostedStudent
from sharewise.distilling._choice import Choice, choose
from sharewise.distilling._distil import STUDENTS, Distilled, distil
from sharewise.distilling._lesson import Lesson
from sharewise.distilling._linear import LinearStudent
from sharewise.distilling._student import Student
from sharewise.distilling._teacher import Teacher

__all__ = [
    "STUDENTS",
    "BoostedStudent",
    "Choice",
    "Distilled",
    "Lesson",
    "LinearStudent",
    "Student",
    "Teacher",
    "choose",
    "distil",
]
