"""Connects, sends a message, and reports what happens: one JSON object a line."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus


def report(event, **details):
    print(json.dumps({"event": event, **details}), flush=True)


async def main(url, message):
    try:
        # By default it gives up after 10 s.
        socket = await connect(url, open_timeout=60, proxy=None)
    except InvalidStatus as refused:
        answer = refused.response
        report(
            "refused",
            status=answer.status_code,
            retry_after=answer.headers.get("Retry-After"),
            body=answer.body.decode(),
        )
        return
    report("open")
    try:
        await socket.send(message)
        while True:
            report("message", data=await socket.recv())
    except ConnectionClosed as closed:
        report("closed", code=closed.rcvd.code, reason=closed.rcvd.reason)


asyncio.run(main(*sys.argv[1:]))
