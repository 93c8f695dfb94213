"""A served run, and a client that asks as a browser would, or as none would."""

import http.client
import json
import threading
from contextlib import contextmanager
from urllib.parse import urlencode

from nemo_curator.pipeline.run import Run
from nemo_curator.report.serving.access import HEADER
from nemo_curator.report.serving.serve import Serving


class Client:
    """Asks a server on this machine.

    Attributes:
        serving: What serves.
        edition: What the answers should be of.
    """

    def __init__(self, serving):
        """Know whom to ask."""
        self.serving = serving
        self.port = serving.server.server_port
        self.token = serving.server.gate.token
        self.edition = 1

    def raw(self, method, path, body=None, **headers):
        """Status, headers and body of an answer to exactly these headers, `_` for `-`; None leaves one out."""
        given = {"Host": f"127.0.0.1:{self.port}"} | {name.replace("_", "-"): one for name, one in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        if body is not None:
            given.setdefault("Content-Length", str(len(body)))
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data

    def file(self, path, **fields):
        """Status, headers and body of an answer to a question of the page."""
        query = urlencode({"edition": self.edition, **fields})
        return self.raw("GET", f"{path}?{query}", **{HEADER: self.token})

    def get(self, path, **fields):
        """The answer to a question of the page."""
        status, _, data = self.file(path, **fields)
        assert status == 200, data
        return json.loads(data)

    def refused(self, path, **fields):
        """Status and sentence of an answer that is none."""
        status, _, data = self.file(path, **fields)
        return status, json.loads(data)["error"]

    def post(self, path, document, **headers):
        """Status and answer to something that the page begins."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        origin = f"http://127.0.0.1:{self.port}"
        usual = {HEADER: self.token, "Origin": origin, "Content-Type": "application/json"}
        status, _, data = self.raw("POST", path, body, **(usual | headers))
        return status, json.loads(data)

    def done(self, path, **document):
        """What came of something that the page began, once it is through."""
        status, job = self.post(path, {"edition": self.edition, **document})
        assert status == 202, job
        return self.through(job)

    def through(self, job):
        """A job once it is through."""
        while job["state"] in {"waiting", "running"}:
            job = self.get("/api/job", number=job["job"])
        return job


@contextmanager
def served(run, decide=None, **settings):
    """A run that is served, and whoever asks for it."""

    def usual(rules, *, write):
        return Run(run.root).decide(write=write, rules=dict(rules))

    with Serving(run, decide or usual, **({"edition": 1} | settings)) as serving:
        worker = threading.Thread(target=serving.work)
        worker.start()
        try:
            yield Client(serving)
        finally:
            serving.service.jobs.end()
            worker.join()
