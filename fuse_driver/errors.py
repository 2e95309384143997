"""The one place where errors become an errno for the kernel."""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from pyfuse3 import FUSEError

from sqlfs.errors import SqlfsError

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


def answering(handler: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Wrap a request handler so that it raises nothing but FUSEError.

    pyfuse3 ends the whole mount on any other exception.
    """

    @functools.wraps(handler)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await handler(*args, **kwargs)
        except SqlfsError as error:
            raise fuse_error(error) from None
        except FUSEError:
            raise
        except Exception:
            log.exception("unexpected failure of %s", handler.__name__)
            raise FUSEError(errno.EIO) from None

    return answer


def fuse_error(error: SqlfsError) -> FUSEError:
    """What the kernel is told.  EIO alone says too little: the log says the rest."""
    code = error.errno or errno.EIO
    if code == errno.EIO:
        log.error("%s", error.message)
    return FUSEError(code)
