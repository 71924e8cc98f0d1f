"""An OTLP/HTTP receiver that shares no code with ours: the published protobuf messages behind Python's HTTP server.

Prints one JSON line for each request that it was sent and one for each span, and is strict: whatever the protocol does
not allow is answered with 400 and printed as a line of its own. `--answer` makes it a bad collector instead.
"""

import argparse
import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

PROTOBUF = "application/x-protobuf"
BODY_MAX = 64 << 20
HUGE = 256 << 20
KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT"}
STATUSES = {0: "unset", 1: "ok", 2: "error"}
printing = threading.Lock()


class Refused(Exception):
    """What the protocol does not allow."""


def say(line):
    with printing:
        print(json.dumps(line), flush=True)


def ensure(holds, what):
    if not holds:
        raise Refused(what)


def ensure_known(message):
    """Fields that the published messages do not have are ours to be ashamed of."""
    ensure(len(UnknownFieldSet(message)) == 0, f"unknown fields in {message.DESCRIPTOR.name}")
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for part in value if field.is_repeated else [value]:
                ensure_known(part)


def plain(value):
    kind = value.WhichOneof("value")
    ensure(kind is not None, "an attribute without a value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    ensure(kind in ("string_value", "bool_value", "int_value", "double_value"), f"an attribute that is a {kind}")
    return getattr(value, kind)


def attributes(pairs):
    found = {}
    for pair in pairs:
        ensure(pair.key, "an attribute without a name")
        ensure(pair.key not in found, f"{pair.key} stands twice")
        found[pair.key] = plain(pair.value)
    return found


def event(event):
    ensure(event.name and event.time_unix_nano, "an event without a name or a time")
    return {"name": event.name, "time": event.time_unix_nano, "attributes": attributes(event.attributes)}


def span(span, resource, scope):
    ensure(len(span.trace_id) == 16 and any(span.trace_id), "a trace id that is not 16 bytes, or zero")
    ensure(len(span.span_id) == 8 and any(span.span_id), "a span id that is not 8 bytes, or zero")
    ensure(len(span.parent_span_id) in (0, 8), "a parent that is not 8 bytes")
    ensure(span.kind in KINDS, f"kind {span.kind}")
    ensure(0 < span.start_time_unix_nano <= span.end_time_unix_nano, "an end before the start")
    return {
        "span": {
            "resource": resource,
            "scope": scope,
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_id": span.parent_span_id.hex(),
            "trace_state": span.trace_state,
            "flags": span.flags,
            "name": span.name,
            "kind": KINDS[span.kind],
            "start": span.start_time_unix_nano,
            "end": span.end_time_unix_nano,
            "attributes": attributes(span.attributes),
            "events": [event(each) for each in span.events],
            "status": STATUSES[span.status.code],
            "message": span.status.message,
        }
    }


def decode(body):
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except Exception as error:
        raise Refused(f"not an ExportTraceServiceRequest: {error}") from error
    ensure_known(request)
    ensure(request.resource_spans, "no spans")
    for group in request.resource_spans:
        resource = attributes(group.resource.attributes)
        for scoped in group.scope_spans:
            for each in scoped.spans:
                yield span(each, resource, scoped.scope.name)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        length = int(self.headers.get("content-length", "-1"))
        if not 0 <= length <= BODY_MAX:
            self.close_connection = True
            return self.answer(411 if length < 0 else 413)
        body = self.rfile.read(length)
        fields = {name.lower(): value for name, value in self.headers.items()}
        say({"request": {"path": self.path, "headers": fields, "bytes": length}})
        return getattr(self, self.server.way)(body)

    def accept(self, body):
        try:
            ensure(self.path == "/v1/traces", f"path {self.path}")
            ensure(self.headers.get("content-type") == PROTOBUF, "content-type")
            ensure(self.headers.get("content-encoding") is None, "content-encoding")
            lines = list(decode(body))
        except Refused as refused:
            say({"refused": str(refused)})
            return self.answer(400)
        for line in lines:
            say(line)
        return self.answer(200, ExportTraceServiceResponse().SerializeToString())

    def slow(self, _body):
        """Answers when the other side has gone, that is never."""
        self.connection.recv(1)
        self.close_connection = True

    def refuse(self, _body):
        self.answer(self.server.status)

    def reset(self, _body):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def huge(self, _body):
        """An answer that nobody should keep in memory."""
        self.send_response(200)
        self.send_header("content-type", PROTOBUF)
        self.send_header("content-length", str(HUGE))
        self.end_headers()
        piece = bytes(1 << 20)
        try:
            for _ in range(HUGE // len(piece)):
                self.wfile.write(piece)
        except OSError:
            self.close_connection = True

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("content-type", PROTOBUF)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Standard output is for lines that are read."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        """The other side was ended in the middle of something: tests do that."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--answer", default="accept", help="accept, slow, reset, huge or a status from 400 on")
    arguments = parser.parse_args()
    server = Server(("127.0.0.1", arguments.port), Receiver)
    server.status = int(arguments.answer) if arguments.answer.isdigit() else 0
    server.way = "refuse" if server.status else arguments.answer
    say({"listening": "127.0.0.1:%d" % server.server_port})
    server.serve_forever()


main()
