import asyncio
import threading
import time

import pytest

from watchkeeper.threads import in_thread


def test_it_returns_what_the_call_returns() -> None:
    assert asyncio.run(in_thread(threading.get_ident)) != threading.get_ident()


def test_it_raises_what_the_call_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


def test_calls_that_hang_hold_up_neither_others_nor_the_end() -> None:
    never = threading.Event()

    async def go() -> int:
        hanging = [asyncio.create_task(in_thread(never.wait)) for _ in range(100)]
        await asyncio.sleep(0)
        value = await in_thread(lambda: 7)
        for task in hanging:
            task.cancel()
        return value

    started = time.monotonic()
    assert asyncio.run(go()) == 7
    assert time.monotonic() - started < 30, "they hang for ever"
    never.set()
