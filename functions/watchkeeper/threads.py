"""Blocking calls beside the event loop, one thread each."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


async def in_thread(call: Callable[[], T]) -> T:
    """Run `call` in a thread of its own.

    Not asyncio.to_thread: its pool is small and asyncio.run waits for it, so a few calls that hang would hold
    up every other check and the end of the run.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(settle: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the loop is gone: nobody waits any more
            loop.call_soon_threadsafe(lambda: None if future.done() else settle())

    def work() -> None:
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - handed to whoever awaits
            failure = error
            deliver(lambda: future.set_exception(failure))
        else:
            deliver(lambda: future.set_result(result))

    threading.Thread(target=work, daemon=True).start()
    return await future
