"""A student: a small model that learns numbers, and probabilities of classes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sharewise.distilling._lesson import Lesson
from sharewise.families import Model, Run
from sharewise.problems import Problem


class Student(ABC):
    """One rung of the ladder from the smallest model up.

    A new student implements the methods below and joins `sharewise.distilling.STUDENTS`. Its models are of classes that
    `sharewise.serving` stores.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """In words: ``linear``, ``boosting of 4 leaves``."""

    @abstractmethod
    def suits(self, problem: Problem) -> bool:
        """Whether it is another student than those before it for this problem."""

    @abstractmethod
    def fit(self, lesson: Lesson, run: Run) -> Model:
        """Learn from a lesson; settings by its inner folds."""
