"""Everything sharewise raises on purpose.

A message states the rule, then the value found, then the way out, in one sentence or two.
"""

from __future__ import annotations


class SharewiseError(Exception):
    """Base of every error that a user can cause and mend; the command line exits with 2."""


class DataError(SharewiseError, ValueError):
    """The data breaks a rule (an empty table, a target without labels, unknown columns)."""


class OptionError(SharewiseError, ValueError):
    """An argument or flag is off (an unknown metric, a budget that cannot be read)."""


class StorageError(SharewiseError, OSError):
    """A file or folder cannot be read or written, is damaged, or belongs to another study."""


class NotFittedError(SharewiseError, RuntimeError):
    """Something was asked of a study that has not got that far."""


class WorkerError(SharewiseError, RuntimeError):
    """A trial took its worker process down again and again, most likely for want of memory; or a cluster of
    workers was lost, empty, or of other versions."""


class SharewiseWarning(UserWarning):
    """The run goes on and its result is right, but the user should know."""
