"""A server on this machine that answers as it is told, well or badly, and remembers who asked for what and when."""

import gzip
import io
import socket
import struct
import threading
import time
from collections import Counter, defaultdict

import numpy as np
from PIL import Image


def picture(seed=0, size=48):
    """The bytes of a small JPEG that no other seed gives."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


PICTURE = picture()


def head(status, *fields, length=None):
    """The head of an answer."""
    lines = [f"HTTP/1.1 {status} Said", *fields, *([f"Content-Length: {length}"] if length is not None else [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def whole(status, body=b"", *fields):
    """A whole answer, behind which the connection may go on."""
    return head(status, *fields, length=len(body)) + body


def redirect(to, status=302):
    """A redirect."""
    return whole(status, b"", f"Location: {to}")


class Web:
    """The server: `pages` maps a path, or `host/path`, to an answer.

    An answer is bytes, a function of the connection and the request that sends what it likes and then hangs up, or a
    list of such, of which each request takes the next and the last one stays.

    Attributes:
        asked: Host and path of each request, in order.
        times: Host to the times of its requests.
        most: Host to the most requests that were under way at a time.
        agents: The User-Agent of each request.
    """

    def __init__(self):
        """Begin to listen, at a port that is free."""
        self.pages = {}
        self.asked, self.agents, self.times = [], [], defaultdict(list)
        self.most, self._now, self._lock = Counter(), Counter(), threading.Lock()
        self._stop = threading.Event()
        self._taken = Counter()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def url(self, path, host="web.test", scheme="http"):
        """The URL of a path."""
        return f"{scheme}://{host}:{self.port}{path}"

    def count(self, path, host="web.test"):
        """How often something was asked for."""
        return self.asked.count((host, path))

    def wait(self, seconds):
        """Let time pass, unless the server is to stop; whether it is not."""
        return not self._stop.wait(seconds)

    def _accept(self):
        """Give each connection a thread."""
        while not self._stop.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        """Answer the requests of a connection."""
        with connection:
            connection.settimeout(30)
            held = b""
            while not self._stop.is_set():
                try:
                    while b"\r\n\r\n" not in held:
                        data = connection.recv(65536)
                        if not data:
                            return
                        held += data
                        if held.startswith(b"\x16"):  # TLS, to a port that speaks none
                            connection.sendall(whole(400))
                            return
                    request, _, held = held.partition(b"\r\n\r\n")
                    if not self._answer(connection, request.decode("latin-1")):
                        return
                except OSError:
                    return

    def _answer(self, connection, request):
        """Answer one request; whether the connection goes on."""
        path = request.split(" ", 2)[1]
        fields = dict(line.split(": ", 1) for line in request.split("\r\n")[1:])
        host = fields["Host"].rsplit(":", 1)[0]
        with self._lock:
            self.asked.append((host, path))
            self.agents.append(fields["User-Agent"])
            self.times[host].append(time.monotonic())
            self._now[host] += 1
            self.most[host] = max(self.most[host], self._now[host])
            key = f"{host}{path}" if f"{host}{path}" in self.pages else path
            answer = self.pages.get(key, whole(404))
            if isinstance(answer, list):
                answer = answer[min(self._taken[key], len(answer) - 1)]
                self._taken[key] += 1
        try:
            if callable(answer):
                answer(connection, self)
                return False
            connection.sendall(answer)
            return True
        finally:
            with self._lock:
                self._now[host] -= 1


def endless(connection, web):
    """A body without an end."""
    connection.sendall(head(200, "Content-Type: image/jpeg", "Connection: close") + PICTURE)
    while web.wait(0):
        connection.sendall(b"\0" * 65536)


def drip(connection, web):
    """A byte now and then, for ever."""
    connection.sendall(head(200, length=10**6) + PICTURE)
    while web.wait(0.02):
        connection.sendall(b"\0")


def drip_headers(connection, web):
    """Headers that come a letter at a time, and never end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while web.wait(0.02):
        connection.sendall(b"x")


def silence(connection, web):
    """Nothing at all."""
    while web.wait(0.05):
        pass


def sent(*pieces, pause=0.0):
    """Something sent as it is, with a pause after each piece, and then the connection is closed in good order."""

    def answer(connection, web):
        for piece in pieces:
            connection.sendall(piece)
            web.wait(pause)
        connection.shutdown(socket.SHUT_WR)

    return answer


def reset(connection, _):
    """Half a picture, and then the connection is reset."""
    connection.sendall(head(200, length=len(PICTURE)) + PICTURE[: len(PICTURE) // 2])
    time.sleep(0.05)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def bomb():
    """A hundred megabytes of zeros, in a hundred kilobytes."""
    return whole(200, gzip.compress(bytes(100_000_000)), "Content-Encoding: gzip", "Content-Type: image/jpeg")


def ask(name):
    """Addresses of the names of the tests; no question leaves this machine."""
    known = {
        "localhost": ["127.0.0.2", "::1"],
        "inside.test": ["10.1.2.3"],
        "cloud.test": ["169.254.169.254", "fe80::1"],
        "mapped.test": ["::ffff:127.0.0.1"],
        "mixed.test": ["10.1.2.3", "127.0.0.1"],
        "nowhere.test": [],
    }
    if name in known:
        return known[name]
    if name.endswith("web.test"):
        return ["127.0.0.1"]
    raise socket.gaierror(socket.EAI_NONAME, "there is no such name")
