"""A client that stays connected, and comes back where that makes sense: pip install websockets

    python reconnect.py ws://127.0.0.1:8080/ws
"""

import asyncio
import random
import re
import sys
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

OPEN_TIMEOUT = 60  # More than the server's queue.max_wait: a held client is connecting all the while.
FIRST, LONGEST = 0.5, 30.0  # Seconds between two attempts, if the server does not say.
STABLE = 10.0  # After a connection that lived so long, the next attempt is a first one.

# Going away, lost, failed, restarting, try again later, bad gateway. Behind all others coming back does
# not help: 1000 is the end, 1008 and the application's own 4xxx would be the same again.
COME_BACK = {1001, 1006, 1011, 1012, 1013, 1014}


class Final(Exception):
    """Coming back would not help."""


async def stay_connected(url, serve):
    """Calls serve(socket) for one connection after another, until it returns by itself."""
    failures = 0
    while True:
        try:
            async with connect(url, open_timeout=OPEN_TIMEOUT) as socket:
                since = time.monotonic()
                try:
                    await serve(socket)
                except ConnectionClosed:
                    pass
                if socket.close_code is None:
                    return
                # A loop `async for message in socket` ends without an error at 1001, too.
                why, asked = what_closed(socket.close_code, socket.close_reason)
            if time.monotonic() - since > STABLE:
                failures = 0
        except InvalidStatus as refused:
            why, asked = what_refused(refused.response)
        except (OSError, InvalidHandshake) as error:
            why, asked = f"{error}", None
        if asked is not None:
            # Not before the time, and not all at the same moment.
            wait = asked * random.uniform(1.0, 1.2)
        else:
            # LONGEST is reached with 6, and a float ends at 1024.
            wait = random.uniform(0.0, min(LONGEST, FIRST * 2 ** min(failures, 6)))
        failures += 1
        print(f"{why}; again in {wait:.1f} s", flush=True)
        await asyncio.sleep(wait)


def what_closed(code, reason):
    """What happened, and how many seconds the server asks for."""
    why = f"closed with {code} {reason}".rstrip()
    if code not in COME_BACK:
        raise Final(why)
    asked = re.fullmatch(r"retry_after_ms=(\d+)", reason or "")
    return why, int(asked[1]) / 1000 if asked else None


def what_refused(answer):
    """The same, of an answer that is no WebSocket."""
    why = f"refused with {answer.status_code}"
    if answer.status_code < 500 and answer.status_code != 429:
        raise Final(why)
    asked = answer.headers.get("Retry-After", "")
    return why, float(asked) if asked.isdigit() else None


async def serve(socket):
    print("connected", flush=True)
    await socket.send("hello")
    async for message in socket:
        print(f"heard {message}", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(stay_connected(sys.argv[1], serve))
    except Final as why:
        sys.exit(f"{why}; for good")
