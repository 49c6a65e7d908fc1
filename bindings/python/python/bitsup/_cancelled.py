"""The exception for what was cancelled."""

from concurrent.futures import CancelledError as _Cancelled

from ._errors import Error
from ._names import publish


class CancelledError(Error, _Cancelled):
    """The upload was cancelled."""


publish(globals())
