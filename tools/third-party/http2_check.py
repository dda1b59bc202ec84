"""One fact about the node's HTTP/2, checked with Python's h2, hpack and hyperframe: `http2_check.py FACT HOST PORT`.

A peer that keeps to RFC 9113, and a dozen that don't. Prints one line on what was seen and exits 0, or says what was
wrong and exits 1. Certificates are not verified: the node's is one of the test's own.
"""

import json
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    PushPromiseFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
NO_ERROR, PROTOCOL, FLOW_CONTROL, STREAM_CLOSED, FRAME_SIZE, REFUSED, CANCEL, COMPRESSION, CALM = 0, 1, 3, 5, 6, 7, 8, 9, 11
PATIENCE_S = 20
# How often each attack is made: what it leaves behind would add up.
ROUNDS = 4


def connect(host, port, protocol="h2"):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    stream = context.wrap_socket(socket.create_connection((host, port), PATIENCE_S), server_hostname=host)
    stream.settimeout(PATIENCE_S)
    assert stream.selected_alpn_protocol() == protocol, f"{stream.selected_alpn_protocol()} was agreed on"
    return stream


# ---- a peer that keeps to the standard ----


class Peer:
    """h2 over a socket: one request at a time is sent, and everything is read."""

    def __init__(self, host, port):
        self.stream = connect(host, port)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.authority = f"{host}:{port}"
        self.bodies, self.heads, self.ended = {}, {}, set()
        self.flush()

    def flush(self):
        self.stream.sendall(self.h2.data_to_send())

    def request(self, method, path, ends=True, more=()):
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path), *more]
        self.h2.send_headers(stream, head, end_stream=ends)
        self.bodies[stream] = 0
        self.flush()
        return stream

    def read(self):
        data = self.stream.recv(1 << 18)
        assert data, "the node closed the connection"
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.heads[event.stream_id] = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                self.bodies[event.stream_id] += len(event.data)
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise AssertionError(f"{event}")
        self.flush()

    def finish(self, *streams):
        while not self.ended.issuperset(streams):
            self.read()
        return [self.heads[stream][":status"] for stream in streams]


def download(host, port):
    peer = Peer(host, port)
    wanted = [10_000_019, 1, 16_375, 16_376, 65_535]
    streams = [peer.request("GET", f"/download?bytes={size}") for size in wanted]
    assert peer.finish(*streams) == ["200"] * len(wanted)
    assert [peer.bodies[stream] for stream in streams] == wanted, peer.bodies
    assert all(peer.heads[stream]["content-length"] == str(size) for stream, size in zip(streams, wanted))
    return f"{sum(wanted)} bytes on {len(wanted)} streams at once"


def upload(host, port):
    peer = Peer(host, port)
    stream = peer.request("POST", "/upload", ends=False)
    left, received = 30_000_003, b""
    while left > 0:
        room = min(peer.h2.local_flow_control_window(stream), peer.h2.max_outbound_frame_size, left)
        if room == 0:
            peer.read()
            continue
        peer.h2.send_data(stream, bytes(room), end_stream=room == left)
        left -= room
        peer.flush()
    while stream not in peer.ended:
        data = peer.stream.recv(1 << 16)
        for event in peer.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived):
                received += event.data
            elif isinstance(event, h2.events.StreamEnded):
                peer.ended.add(stream)
    counted = json.loads(received)["bytes"]
    assert counted == 30_000_003, received
    return f"{counted} bytes counted"


def api(host, port):
    peer = Peer(host, port)
    paths = ["/ping", "/health", "/virtual-household/profiles", "/", "/nothing-here", "/ws/ping"]
    streams = [peer.request("GET", path) for path in paths]
    statuses = peer.finish(*streams)
    assert statuses == ["200", "200", "200", "200", "404", "426"], statuses
    assert not {"connection", "upgrade", "transfer-encoding"} & set().union(*peer.heads.values()), peer.heads
    setting = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
    assert not peer.h2.remote_settings.get(setting), "extended CONNECT is on"
    return f"{len(paths)} requests on one connection"


def other_roles(host, port):
    """Only the page and the API are worth it: everything else is one WebSocket on a connection of its own."""
    connect(host, port, "http/1.1").close()
    try:
        connect(host, port)
    except (AssertionError, ssl.SSLError) as refused:
        return f"h2 is not offered: {refused}"
    raise AssertionError("h2 was agreed on")


# ---- peers that don't ----


class Attacker:
    """Frames as they are, and what comes back for them."""

    def __init__(self, host, port, greets=True):
        self.stream = connect(host, port)
        self.authority = f"{host}:{port}"
        self.encoder = Encoder()
        self.unread = b""
        self.frames = []
        self.is_closed = False
        if greets:
            self.send_bytes(PREFACE + SettingsFrame(0).serialize() + SettingsFrame(0, flags=["ACK"]).serialize())

    def send_bytes(self, data):
        try:
            self.stream.sendall(data)
        except OSError:
            # The node has had enough; what it said is still to be read.
            self.is_closed = True

    def send(self, *frames):
        self.send_bytes(b"".join(frame.serialize() for frame in frames))

    def headers(self, stream, path="/ping", method="GET", ends=True, more=()):
        head = [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path), *more]
        flags = ["END_HEADERS", "END_STREAM"] if ends else ["END_HEADERS"]
        return HeadersFrame(stream, self.encoder.encode(head), flags=flags)

    def read_frames(self):
        """Whether there may be more."""
        try:
            data = self.stream.recv(1 << 16)
        except TimeoutError as error:
            raise AssertionError("no answer") from error
        except OSError:
            data = b""
        self.unread += data
        while len(self.unread) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self.unread[:9]))
            if len(self.unread) < 9 + length:
                break
            frame.parse_body(memoryview(self.unread[9 : 9 + length]))
            self.frames.append(frame)
            self.unread = self.unread[9 + length :]
        return bool(data)

    def until(self, kind, stream=0):
        while True:
            for frame in self.frames:
                if isinstance(frame, kind) and frame.stream_id == stream:
                    return frame
            if not self.read_frames():
                raise AssertionError(f"closed without {kind.__name__}; there was {self.frames[-3:]}")

    def expect_end(self, code):
        goodbye = self.until(GoAwayFrame)
        assert goodbye.error_code == code, goodbye
        assert code == NO_ERROR or goodbye.additional_data, "GOAWAY without a word"
        self.stream.close()

    def expect_reset(self, stream, code):
        reset = self.until(RstStreamFrame, stream)
        assert reset.error_code == code, reset
        # The connection goes on.
        self.send(PingFrame(0, b"12345678"))
        while not any(isinstance(frame, PingFrame) for frame in self.frames):
            assert self.read_frames(), self.frames
        self.stream.close()


def bad_frames(host, port):
    oversized = b"\x00\x40\x01\x00\x00\x00\x00\x00\x01"
    cases = [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", False, PROTOCOL),
        (PREFACE + PingFrame(0).serialize(), False, PROTOCOL),
        (oversized, True, FRAME_SIZE),
        (b"\x00\x00\x07\x06\x00\x00\x00\x00\x00" + bytes(7), True, FRAME_SIZE),
        (b"\x00\x00\x05\x04\x00\x00\x00\x00\x00" + bytes(5), True, FRAME_SIZE),
        (DataFrame(1, b"x").serialize(), True, PROTOCOL),
        (HeadersFrame(2, b"\x82", flags=["END_HEADERS"]).serialize(), True, PROTOCOL),
        (ContinuationFrame(1, b"\x82", flags=["END_HEADERS"]).serialize(), True, PROTOCOL),
        (HeadersFrame(1, b"\x82").serialize() + PingFrame(0).serialize(), True, PROTOCOL),
        (HeadersFrame(1, b"\xff\xff\xff\xff\xff\xff\x0f", flags=["END_HEADERS"]).serialize(), True, COMPRESSION),
        (PushPromiseFrame(1, 2, b"\x82", flags=["END_HEADERS"]).serialize(), True, PROTOCOL),
        (SettingsFrame(0, {SettingsFrame.ENABLE_PUSH: 2}).serialize(), True, PROTOCOL),
        (SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 31}).serialize(), True, FLOW_CONTROL),
        (SettingsFrame(0, {SettingsFrame.MAX_FRAME_SIZE: 5}).serialize(), True, PROTOCOL),
    ]
    for data, greets, code in cases:
        attacker = Attacker(host, port, greets)
        attacker.send_bytes(data)
        attacker.expect_end(code)
    return f"{len(cases)} kinds"


def malformed_requests(host, port):
    def sent(head):
        attacker = Attacker(host, port)
        attacker.send(HeadersFrame(1, attacker.encoder.encode(head), flags=["END_HEADERS", "END_STREAM"]))
        return attacker

    plain = [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/")]
    cases = [
        plain[1:],
        plain[:3],
        plain + [(":path", "/")],
        plain + [(":protocol", "websocket")],
        plain + [("Upper", "case")],
        plain + [("connection", "close")],
        plain + [("transfer-encoding", "chunked")],
        plain + [("te", "gzip")],
        plain + [("x", "a\r\nb: c")],
        plain + [("content-length", "5")],
        [("x", "first")] + plain,
    ]
    for head in cases:
        sent(head).expect_reset(1, PROTOCOL)
    return f"{len(cases)} kinds"


def rapid_reset(host, port):
    attacker = Attacker(host, port)
    for stream in range(1, 4001, 2):
        attacker.send(attacker.headers(stream, "/download"), RstStreamFrame(stream, CANCEL))
        if attacker.is_closed:
            break
    attacker.expect_end(CALM)
    return f"ended at stream {stream} or before"


def provoked_resets(host, port):
    attacker = Attacker(host, port)
    for stream in range(1, 4001, 2):
        attacker.send(attacker.headers(stream, "/upload", "POST", ends=False), WindowUpdateFrame(stream, 0))
        if attacker.is_closed:
            break
    attacker.expect_end(CALM)
    return f"ended at stream {stream} or before"


def continuation_flood(host, port):
    for piece in [b"", b"\x00\x01a\x01b" * 1000]:
        attacker = Attacker(host, port)
        attacker.send(HeadersFrame(1, b""))
        for _ in range(1000):
            attacker.send(ContinuationFrame(1, piece))
            if attacker.is_closed:
                break
        attacker.expect_end(CALM)
    return "empty and full ones"


def control_floods(host, port):
    floods = [
        PingFrame(0, b"12345678"),
        SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 20}),
        PriorityFrame(1, depends_on=3, stream_weight=7),
    ]
    for frame in floods:
        attacker = Attacker(host, port)
        data = frame.serialize() * 100
        for _ in range(500):
            attacker.send_bytes(data)
            if attacker.is_closed:
                break
        attacker.expect_end(CALM)
    attacker = Attacker(host, port)
    attacker.send(attacker.headers(1, "/upload", "POST", ends=False))
    for _ in range(500):
        attacker.send_bytes(DataFrame(1, b"").serialize() * 100)
        if attacker.is_closed:
            break
    attacker.expect_end(CALM)
    return f"{len(floods) + 1} kinds"


def window_games(host, port):
    attacker = Attacker(host, port)
    attacker.send(WindowUpdateFrame(0, (1 << 31) - 1))
    attacker.expect_end(FLOW_CONTROL)
    attacker = Attacker(host, port)
    attacker.send(attacker.headers(1, "/download"), WindowUpdateFrame(1, (1 << 31) - 1))
    attacker.expect_reset(1, FLOW_CONTROL)
    # Windows that are never opened: every stream is cut, and nothing of its payload waits anywhere.
    attacker = Attacker(host, port)
    attacker.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: 0}))
    for stream in range(1, 33, 2):
        attacker.send(attacker.headers(stream, "/download"))
    attacker.expect_reset(31, CANCEL)
    # A window that goes up and down a thousand times leaves what it should.
    attacker = Attacker(host, port)
    attacker.send(attacker.headers(1, "/download?bytes=70000"))
    for size in [0, (1 << 31) - 1 - 65535] * 50:
        attacker.send(SettingsFrame(0, {SettingsFrame.INITIAL_WINDOW_SIZE: size}))
    attacker.send(WindowUpdateFrame(0, 10_000))
    received = 0
    while received < 70_000:
        assert attacker.read_frames(), attacker.frames[-3:]
        received = sum(len(frame.data) for frame in attacker.frames if isinstance(frame, DataFrame))
    assert received == 70_000
    return "overflow, closed windows, and one that goes up and down"


def huge_lists(host, port):
    # A list that is too long by itself.
    attacker = Attacker(host, port)
    block = attacker.encoder.encode(
        [(":method", "GET"), (":scheme", "https"), (":authority", "a"), (":path", "/ping")]
        + [(f"x-{number}", "y" * 100) for number in range(200)],
    )
    attacker.send(HeadersFrame(1, block[:16_000]), ContinuationFrame(1, block[16_000:], flags=["END_HEADERS"]))
    answer = attacker.until(HeadersFrame, 1)
    assert b"431" in answer.data, answer
    # A few bytes that stand for megabytes: an entry of the table, named again and again.
    attacker = Attacker(host, port)
    attacker.encoder.encode([("bomb", "y" * 4000)])
    bomb = Encoder().encode([(":method", "GET"), ("bomb", "y" * 4000)]) + b"\xbe" * 10_000
    for stream in range(1, 201, 2):
        attacker.send(HeadersFrame(stream, bomb, flags=["END_HEADERS", "END_STREAM"]))
        if attacker.is_closed:
            break
    answer = attacker.until(HeadersFrame, 1)
    assert b"431" in answer.data, answer
    return "a long list, and a bomb of 10,000 references"


def too_many_streams(host, port):
    attacker = Attacker(host, port)
    for stream in range(1, 2 * 150, 2):
        attacker.send(attacker.headers(stream, "/upload", "POST", ends=False))
    attacker.until(RstStreamFrame, 201)
    refused = [frame for frame in attacker.frames if isinstance(frame, RstStreamFrame)]
    assert refused[0].stream_id == 201 and refused[0].error_code == REFUSED, refused[0]
    return "the 101st is refused"


def idle_preface(host, port):
    attacker = Attacker(host, port, greets=False)
    attacker.send_bytes(PREFACE[:10])
    while attacker.read_frames():
        pass
    return "a connection that does not go on is closed"


ATTACKS = [
    bad_frames,
    malformed_requests,
    rapid_reset,
    provoked_resets,
    continuation_flood,
    control_floods,
    huge_lists,
    too_many_streams,
]
# Those that wait for a deadline of the node's: once is enough.
SLOW_ATTACKS = [window_games, idle_preface]


def attacks(host, port):
    for _ in range(ROUNDS):
        for attack in ATTACKS:
            named(attack, host, port)
    for attack in SLOW_ATTACKS:
        named(attack, host, port)
    # Whoever came with good manners is served all the while.
    api(host, port)
    return f"{len(ATTACKS)} attacks {ROUNDS} times, {len(SLOW_ATTACKS)} once"


def named(attack, host, port):
    try:
        return attack(host, port)
    except AssertionError as error:
        raise AssertionError(f"{attack.__name__}: {error}") from error


FACTS = {fact.__name__: fact for fact in [download, upload, api, other_roles, attacks, *ATTACKS, *SLOW_ATTACKS]}


def main():
    _, fact, host, port = sys.argv
    print(FACTS[fact](host, int(port)))


if __name__ == "__main__":
    main()
