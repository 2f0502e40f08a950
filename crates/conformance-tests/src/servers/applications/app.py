"""An application in Python, as it might be anywhere: a page, an echo, and a door that is shut."""

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute


async def page(request):
    return PlainTextResponse(f"{request.method} {request.client.host} {(await request.body()).decode()}")


async def echo(socket):
    await socket.accept()
    async for message in socket.iter_text():
        await socket.send_text(message)


async def forbidden(socket):
    await socket.close()


app = Starlette(
    routes=[
        Route("/", page, methods=["GET", "POST"]),
        WebSocketRoute("/ws", echo),
        WebSocketRoute("/forbidden", forbidden),
    ],
)
