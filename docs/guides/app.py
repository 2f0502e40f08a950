"""An application that takes its time to start: pip install uvicorn starlette websockets"""

import asyncio
import contextlib

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute


@contextlib.asynccontextmanager
async def lifespan(app):
    await asyncio.sleep(3)  # Loads a model, say. uvicorn listens when this is done.
    yield


async def chat(socket):
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(f"you said {text}")


app = Starlette(lifespan=lifespan, routes=[WebSocketRoute("/ws", chat)])
