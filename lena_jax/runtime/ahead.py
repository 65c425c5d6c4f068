"""Call a function for the next items in threads, while the results of earlier ones are used."""

import collections
import concurrent.futures
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield each item with `function(item)`, in the order of the items.

    A thread for each core calls the function, for at most two items a thread that nobody has asked for yet. It serves
    functions that wait: for a file, or for another process.

    Args:
        function: must not change what the caller uses. What it raises is raised at its item.
        items: taken in the thread of the caller.

    Example:
        >>> list(ahead(abs, [-1, 2, -3]))
        [(-1, 1), (2, 2), (-3, 3)]
    """
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    waiting: collections.deque[tuple[Item, concurrent.futures.Future[Result]]] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > 2 * threads:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()
