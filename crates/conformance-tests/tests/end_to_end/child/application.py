"""A WebSocket application of nothing but the standard library, on the port in $PORT.

It echoes every text, but for two: "pid" is answered with its process id, "exit N" ends it with N.
With an argument, it listens once that named pipe was opened for writing. It says READY=1 then,
prints the signals and close frames it gets, and ends at SIGTERM.
"""

import base64
import hashlib
import os
import selectors
import signal
import socket
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def say(line):
    print(line, flush=True)


def frame(opcode, payload):
    return bytes([0x80 | opcode, len(payload)]) + payload


class Connection:
    def __init__(self, sock):
        self.sock = sock
        self.bytes = b""
        self.upgraded = False

    def read(self):
        """Everything there is to read; whether the connection goes on."""
        while True:
            try:
                chunk = self.sock.recv(65536)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not chunk:
                return False
            self.bytes += chunk
            while self.step():
                pass

    def step(self):
        if not self.upgraded:
            head, end, rest = self.bytes.partition(b"\r\n\r\n")
            if not end:
                return False
            self.bytes = rest
            fields = dict(
                line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:]
            )
            if b"upgrade" not in fields:
                self.sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npage")
                return True
            key = next(
                line.split(b": ", 1)[1]
                for line in head.split(b"\r\n")
                if line.lower().startswith(b"sec-websocket-key: ")
            )
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            self.sock.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                b"connection: upgrade\r\nsec-websocket-accept: " + accept + b"\r\n\r\n"
            )
            self.upgraded = True
            return True
        if len(self.bytes) < 6:
            return False
        length = self.bytes[1] & 0x7F
        if len(self.bytes) < 6 + length:
            return False
        opcode, mask = self.bytes[0] & 0x0F, self.bytes[2:6]
        payload = bytes(
            byte ^ mask[index % 4] for index, byte in enumerate(self.bytes[6 : 6 + length])
        )
        self.bytes = self.bytes[6 + length :]
        self.handle(opcode, payload)
        return True

    def handle(self, opcode, payload):
        if opcode == 8:
            say(f"close {int.from_bytes(payload[:2], 'big')}")
            self.sock.sendall(frame(8, payload))
        elif payload == b"pid":
            self.sock.sendall(frame(1, str(os.getpid()).encode()))
        elif payload.startswith(b"exit "):
            os._exit(int(payload.split()[1]))
        else:
            self.sock.sendall(frame(opcode, payload))


def ready():
    address = os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", address)


def main():
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    for pipe in sys.argv[1:]:
        say("waits")
        open(pipe).close()
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
    listener.setblocking(False)
    ready()
    selector = selectors.DefaultSelector()
    selector.register(woken, selectors.EVENT_READ)
    selector.register(listener, selectors.EVENT_READ)
    connections = {}
    while True:
        readable = {key.fileobj for key, _ in selector.select()}
        if listener in readable:
            sock, _ = listener.accept()
            sock.setblocking(False)
            connections[sock] = Connection(sock)
            selector.register(sock, selectors.EVENT_READ)
        signals = woken.recv(64) if woken in readable else b""
        # All connections: what was sent before a signal is read before it is told.
        for sock, connection in list(connections.items()):
            if not connection.read():
                selector.unregister(sock)
                del connections[sock]
                sock.close()
        for number in signals:
            say(signal.Signals(number).name)
            if number == signal.SIGTERM:
                return


main()
