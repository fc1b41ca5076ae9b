#!/usr/bin/env python3
"""What RFC 9113 asks of a server, case by case, against one that listens.

    http2.py HOST PORT [NAME ...]     # all cases, or those whose names contain one of these words

A case is bytes, right or wrong, and what must be seen: an answer, RST_STREAM, GOAWAY, nothing at all. The server behind the
port answers GET / with 200 and a body of SIZE bytes or more, and any POST when its body is complete. One line for each case;
the status is not 0 when one fails. Needs python3-hpack. A raw client on purpose: libraries keep one from breaking rules.
"""
import concurrent.futures
import socket
import struct
import sys
import time

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, UPDATE, CONTINUATION = range(10)
NAMES = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION".split()
END, ACK, ENDHEADERS, PADDED, PRIO = 1, 1, 4, 8, 32
(NO_ERROR, PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE_ERROR, REFUSED, CANCEL, COMPRESSION, CONNECT, CALM) = range(12)
# Bytes of a body that is long enough to meet a window.
SIZE = 10
PATIENCE = 10.0


class Failed(Exception):
    pass


# MARK: frames

def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    size, prefix = len(value), b""
    if size < 127:
        return bytes([size]) + value
    size -= 127
    while size >= 128:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return bytes([127]) + prefix + bytes([size]) + value


def fields(*pairs, first=0):
    return b"".join(bytes([first]) + text(name) + text(value) for name, value in pairs)


def request(method="GET", path="/", more=(), scheme="http", authority="a"):
    pseudo = [(":method", method), (":scheme", scheme), (":path", path), (":authority", authority)]
    return fields(*[pair for pair in pseudo if pair[1] is not None], *more)


def headers(stream, block, flags=END | ENDHEADERS):
    return frame(HEADERS, flags, stream, block)


def get(stream=1, *more):
    return headers(stream, request(more=more))


def post(stream=1, *more):
    """A request whose body is still to come."""
    return headers(stream, request("POST", more=more), ENDHEADERS)


def data(stream, payload=b"", flags=0):
    return frame(DATA, flags, stream, payload)


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def update(stream, increment):
    return frame(UPDATE, 0, stream, struct.pack(">I", increment))


def word(value):
    return struct.pack(">I", value)


# MARK: the client

class Peer:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.decoder = hpack.Decoder()
        self.seen = []
        self.acknowledged = 0
        self.settings = {}
        # By stream: answers come in any order.
        self.heads, self.bodies, self.ended, self.resets = {}, {}, set(), set()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            # The server may have said why already.
            pass

    def greet(self, *pairs):
        self.send(PREFACE + settings(*pairs))
        self.until(lambda kind, flags, stream, payload: kind == SETTINGS and not flags & ACK, "SETTINGS")
        self.send(frame(SETTINGS, ACK))

    def receive(self, seconds):
        """The next frame; None at the end of the connection."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + length:
                    kind, flags = self.buffer[3], self.buffer[4]
                    stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
                    payload = self.buffer[9:9 + length]
                    self.buffer = self.buffer[9 + length:]
                    return self.note(kind, flags, stream, payload)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            if not more:
                return None
            self.buffer += more

    def note(self, kind, flags, stream, payload):
        about = ""
        if kind == HEADERS:
            head = dict(self.decoder.decode(payload))
            self.heads.setdefault(stream, head)
            about = f" {head.get(':status', 'trailers')}"
        elif kind == RST or kind == UPDATE:
            about = f" {int.from_bytes(payload, 'big')}"
        elif kind == GOAWAY:
            about = f" code {int.from_bytes(payload[4:8], 'big')}"
        elif kind == DATA:
            about = f" {len(payload)} bytes"
        elif kind == SETTINGS and flags & ACK:
            self.acknowledged += 1
        elif kind == SETTINGS:
            self.settings = dict(struct.iter_unpack(">HI", payload))
        if kind == DATA:
            self.bodies[stream] = self.bodies.get(stream, b"") + payload
        if kind == RST:
            self.resets.add(stream)
        if kind in (HEADERS, DATA) and flags & END:
            self.ended.add(stream)
        name = NAMES[kind] if kind < 10 else f"type {kind}"
        self.seen.append(f"{name}({stream}) flags {flags}{about}")
        return kind, flags, stream, payload

    def until(self, is_it, what, seconds=PATIENCE):
        while True:
            try:
                found = self.receive(seconds)
            except TimeoutError:
                raise Failed(f"no {what} within {seconds} s")
            if found is None:
                raise Failed(f"the connection ends before {what}")
            if is_it(*found):
                return found
            if found[0] == GOAWAY:
                raise Failed(f"GOAWAY before {what}")

    def alive(self):
        """Whether the connection still serves: a PING is answered with its payload."""
        payload = struct.pack(">d", time.monotonic())
        self.send(frame(PING, 0, 0, payload))
        answer = self.until(lambda kind, flags, *_: kind == PING and flags & ACK, "an answer to PING")
        if answer[3] != payload:
            raise Failed("PING answered with another payload")

    def answer(self, stream, status="200"):
        """The whole answer on a stream: its body."""
        while stream not in self.ended and stream not in self.resets:
            self.until(lambda kind, *_: kind in (HEADERS, DATA, RST), f"an answer on {stream}")
        if stream not in self.ended:
            raise Failed(f"stream {stream} was reset")
        head, body = self.heads[stream], self.bodies.get(stream, b"")
        if head.get(":status") != status:
            raise Failed(f"answered {head}, not {status}")
        return head, body


# MARK: what must be seen

def answered(*streams, status="200"):
    def check(peer):
        for stream in streams or (1,):
            peer.answer(stream, status)
        peer.alive()
    return check


def reset(code, stream=1):
    """RST_STREAM, and the connection goes on: another stream is answered."""
    def check(peer):
        found = peer.until(lambda kind, flags, number, payload: kind == RST and number == stream, "RST_STREAM")
        if int.from_bytes(found[3], "big") != code:
            raise Failed(f"RST_STREAM with another code than {code}")
        peer.send(get(2001))
        peer.answer(2001)
    return check


def goaway(code):
    """GOAWAY, and the end."""
    def check(peer):
        try:
            while True:
                found = peer.receive(PATIENCE)
                if found is None:
                    raise Failed("the connection ends without GOAWAY")
                if found[0] == GOAWAY:
                    break
            if int.from_bytes(found[3][4:8], "big") != code:
                raise Failed(f"GOAWAY with another code than {code}")
            while peer.receive(PATIENCE) is not None:
                pass
        except TimeoutError:
            raise Failed("no GOAWAY, or no end behind it")
    return check


def alive(peer):
    peer.alive()


# MARK: the cases

CASES = []


def case(section, name, bytes_or_function, check=None, raw=False, greeting=()):
    CASES.append((section, name, bytes_or_function, check, raw, greeting))


def frames():
    case("3.4", "no preface", b"GET / HTTP/1.0\r\n\r\nno preface", goaway(PROTOCOL), raw=True)
    case("3.4", "a preface with a wrong end", PREFACE[:-2] + b"XX" + settings(), goaway(PROTOCOL), raw=True)
    case("3.4", "PING before SETTINGS", PREFACE + frame(PING, 0, 0, bytes(8)), goaway(PROTOCOL), raw=True)
    case("3.4", "a request before SETTINGS", PREFACE + get(), goaway(PROTOCOL), raw=True)
    case("3.4", "a request behind SETTINGS at once", PREFACE + settings() + get(), answered(), raw=True)
    case("4.1", "an unknown type", frame(0x77, 255, 1, b"abc") + get(), answered())
    case("4.1", "unknown flags", frame(PING, 0xfe, 0, bytes(8)) + headers(1, request(), 0x45 | 0x80), answered())
    case("4.1", "the reserved bit", frame(PING, 0, 1 << 31, bytes(8)) + frame(HEADERS, 5, 1 << 31 | 1, request()), answered())
    case("4.2", "DATA of 16,384 bytes", post() + data(1, bytes(16384), END), answered())
    case("4.2", "DATA of 16,385 bytes", post() + data(1, bytes(16385), END), goaway(SIZE_ERROR))
    case("4.2", "HEADERS of 16,385 bytes", headers(1, request() + bytes(16385)), goaway(SIZE_ERROR))
    case("4.2", "a frame longer than anything", frame(SETTINGS, 0, 0, b"", length=0xffffff), goaway(SIZE_ERROR))
    case("4.3", "a broken field block", headers(1, b"\xff\xff\xff\xff\xff"), goaway(COMPRESSION))
    case("4.3", "an index of nothing", headers(1, request() + b"\xfe"), goaway(COMPRESSION))
    case("4.3", "index 0", headers(1, request() + b"\x80"), goaway(COMPRESSION))
    case("4.3", "a block that ends in a field", headers(1, request() + b"\x40\x05ab"), goaway(COMPRESSION))
    case("4.3", "a Huffman string with the end in it", headers(1, request() + b"\x00\x01a\x84\xff\xff\xff\xff"), goaway(COMPRESSION))
    case("4.3", "Huffman padding of eight bits", headers(1, request() + b"\x00\x01a\x82\x1f\xff"), goaway(COMPRESSION))
    case("4.3", "Huffman padding of zeros", headers(1, request() + b"\x00\x01a\x81\x18"), goaway(COMPRESSION))
    case("4.3", "a table larger than announced", headers(1, b"\x3f\xe2\x1f" + request()), goaway(COMPRESSION))
    case("4.3", "a smaller table", headers(1, b"\x20\x3f\xe1\x1f" + request()), answered())
    case("4.3", "a size update behind a field", headers(1, request() + b"\x20"), goaway(COMPRESSION))
    case("4.3", "another frame within a block", headers(1, request()[:9], END) + frame(PING, 0, 0, bytes(8)), goaway(PROTOCOL))
    case("4.3", "another stream within a block", headers(1, request()[:9], END) + frame(CONTINUATION, 4, 3, request()[9:]), goaway(PROTOCOL))
    case("4.3", "the table is kept up for refused requests",
         headers(1, request() + fields(("x-y", "z"), first=0x40) + fields(("A", "b"))) + headers(3, request() + b"\xbe"), answered(3))
    case("5.5", "an unknown type within a block", headers(1, request()[:9], END) + frame(0x77) + frame(CONTINUATION, 4, 1, request()[9:]), goaway(PROTOCOL))


def streams():
    case("5.1", "DATA on an idle stream", data(1, b"x"), goaway(PROTOCOL))
    case("5.1", "RST_STREAM on an idle stream", frame(RST, 0, 1, word(8)), goaway(PROTOCOL))
    case("5.1", "WINDOW_UPDATE on an idle stream", update(1, 1), goaway(PROTOCOL))
    case("5.1", "CONTINUATION on an idle stream", frame(CONTINUATION, 4, 1, request()), goaway(PROTOCOL))
    case("5.1", "PRIORITY on an idle stream", frame(PRIORITY, 0, 7, bytes(5)) + get(), answered())
    case("5.1", "DATA behind END_STREAM", post() + data(1, b"x", END) + data(1, b"y"), goaway_or_reset)
    case("5.1", "HEADERS behind END_STREAM", post() + data(1, b"x", END) + headers(1, fields(("a", "b"))), goaway_or_reset)
    case("5.1", "DATA on a closed stream", closed(data(1, b"x")), goaway(CLOSED))
    case("5.1", "HEADERS on a closed stream", closed(get()), goaway(CLOSED))
    case("5.1", "WINDOW_UPDATE on a closed stream", closed(update(1, 1)), alive)
    case("5.1", "RST_STREAM on a closed stream", closed(frame(RST, 0, 1, word(8))), alive)
    case("5.1", "PRIORITY on a closed stream", closed(frame(PRIORITY, 0, 1, bytes(5))), alive)
    case("5.1", "DATA behind RST_STREAM", post() + frame(RST, 0, 1, word(8)) + data(1, b"x"), goaway(CLOSED))
    case("5.1", "HEADERS behind RST_STREAM", post() + frame(RST, 0, 1, word(8)) + get(), goaway(CLOSED))
    case("5.1.1", "an even id", headers(2, request()), goaway(PROTOCOL))
    case("5.1.1", "stream 0", headers(0, request()), goaway(PROTOCOL))
    case("5.1.1", "an id that was passed over", get(5) + get(3), goaway(PROTOCOL))
    case("5.1.1", "ids may be passed over", get(1) + get(9) + get(1001), answered(1, 9, 1001))
    case("5.1.2", "one stream more than announced", one_too_many)
    case("5.2", "a window of one byte", one_byte_at_a_time, greeting=((4, 1),))
    case("5.2", "a window of no bytes", stopped_and_opened, greeting=((4, 0),))
    case("5.4.1", "GOAWAY says what was processed", last_processed)


def closed(more):
    """Sends `more` when the answer on stream 1 is complete."""
    def run(peer):
        peer.send(get(1))
        peer.answer(1)
        peer.send(more)
    return run


def goaway_or_reset(peer):
    """A connection error or a stream error, both STREAM_CLOSED; or the answer was faster."""
    while True:
        try:
            found = peer.receive(PATIENCE)
        except TimeoutError:
            raise Failed("neither GOAWAY nor RST_STREAM")
        if found is None:
            raise Failed("the connection ends without GOAWAY")
        if found[0] == GOAWAY:
            code = int.from_bytes(found[3][4:8], "big")
        elif found[0] == RST and found[2] == 1:
            code = int.from_bytes(found[3], "big")
        else:
            continue
        if code != CLOSED:
            raise Failed(f"code {code}, not {CLOSED}")
        return


def one_too_many(peer):
    limit = peer.settings.get(3)
    if not limit:
        raise Failed("SETTINGS_MAX_CONCURRENT_STREAMS is not announced")
    peer.send(b"".join(post(2 * number + 1) for number in range(limit + 1)))
    stream = 2 * limit + 1
    found = peer.until(lambda kind, flags, number, payload: kind == RST, "RST_STREAM")
    if found[2] != stream or int.from_bytes(found[3], "big") not in (REFUSED, PROTOCOL):
        raise Failed("another stream, or another code")
    peer.send(data(1, b"x", END))
    peer.answer(1)


def one_byte_at_a_time(peer):
    peer.send(get(1))
    for _ in range(SIZE):
        found = peer.until(lambda kind, flags, number, payload: kind == DATA, "DATA")
        if len(found[3]) > 1:
            raise Failed(f"{len(found[3])} bytes in a window of 1")
        peer.send(update(1, 1))
    peer.alive()


def stopped_and_opened(peer):
    peer.send(get(1))
    peer.until(lambda kind, flags, number, payload: kind == HEADERS and number == 1, "the head")
    peer.alive()
    if any(line.startswith("DATA") and not line.endswith(" 0 bytes") for line in peer.seen):
        raise Failed("DATA in a window of 0")
    # Below 0 and up again: RFC 9113 6.9.2.
    peer.send(settings((4, 3)))
    found = peer.until(lambda kind, flags, number, payload: kind == DATA, "DATA")
    if len(found[3]) > 3:
        raise Failed("more than the window")
    peer.send(settings((4, 1)) + update(1, 2))
    peer.alive()
    if sum(line.startswith("DATA") for line in peer.seen) > 1:
        raise Failed("DATA in a window that is not above 0")
    peer.send(update(1, 1 << 20))
    peer.until(lambda kind, flags, number, payload: kind == DATA and flags & END, "the end")


def last_processed(peer):
    peer.send(get(7))
    peer.answer(7)
    peer.send(frame(PING, 0, 3, bytes(8)))
    found = peer.until(lambda kind, flags, number, payload: kind == GOAWAY, "GOAWAY")
    if int.from_bytes(found[3][:4], "big") != 7:
        raise Failed("GOAWAY with another stream than 7")


def types():
    case("6.1", "DATA on stream 0", data(0, b"x"), goaway(PROTOCOL))
    case("6.1", "padding as long as the frame", post() + frame(DATA, PADDED, 1, b"\x03abc"[:3]), goaway(PROTOCOL))
    case("6.1", "padded DATA", post() + frame(DATA, PADDED | END, 1, b"\x03abc\0\0\0"), answered())
    case("6.1", "padded DATA without a length", post() + frame(DATA, PADDED, 1), goaway(SIZE_ERROR))
    case("6.1", "empty DATA at the end", post() + data(1, b"x") + data(1, b"", END), answered())
    case("6.2", "padded HEADERS with a priority", headers(1, b"\x02" + bytes(5) + request() + bytes(2), 0x2d), answered())
    case("6.2", "padding longer than HEADERS", headers(1, b"\xff" + request(), 0x0d), goaway(PROTOCOL))
    case("6.2", "a block in pieces", headers(1, request()[:1], END) + frame(CONTINUATION, 0, 1, request()[1:20])
         + frame(CONTINUATION, 0, 1) + frame(CONTINUATION, 4, 1, request()[20:]), answered())
    case("6.3", "PRIORITY on stream 0", frame(PRIORITY, 0, 0, bytes(5)), goaway(PROTOCOL))
    case("6.3", "PRIORITY of four bytes", post() + frame(PRIORITY, 0, 1, bytes(4)), reset(SIZE_ERROR))
    case("6.4", "RST_STREAM on stream 0", frame(RST, 0, 0, word(8)), goaway(PROTOCOL))
    case("6.4", "RST_STREAM of three bytes", post() + frame(RST, 0, 1, bytes(3)), goaway(SIZE_ERROR))
    case("6.4", "RST_STREAM with an unknown code", post() + frame(RST, 0, 1, word(12345)) + get(3), answered(3))
    case("6.5", "SETTINGS on a stream", frame(SETTINGS, 0, 1), goaway(PROTOCOL))
    case("6.5", "SETTINGS of five bytes", frame(SETTINGS, 0, 0, bytes(5)), goaway(SIZE_ERROR))
    case("6.5", "an acknowledgement with content", frame(SETTINGS, ACK, 0, bytes(6)), goaway(SIZE_ERROR))
    case("6.5.2", "SETTINGS_ENABLE_PUSH 2", settings((2, 2)), goaway(PROTOCOL))
    case("6.5.2", "SETTINGS_INITIAL_WINDOW_SIZE 2^31", settings((4, 1 << 31)), goaway(FLOW))
    case("6.5.2", "SETTINGS_MAX_FRAME_SIZE 16,383", settings((5, 16383)), goaway(PROTOCOL))
    case("6.5.2", "SETTINGS_MAX_FRAME_SIZE 2^24", settings((5, 1 << 24)), goaway(PROTOCOL))
    case("6.5.2", "unknown settings", settings((0xff, 1), (0, 2)) + get(), answered())
    case("6.5.2", "SETTINGS_HEADER_TABLE_SIZE 0 and again", small_table)
    case("6.5.3", "SETTINGS are acknowledged, each", acknowledged)
    case("6.6", "PUSH_PROMISE of a client", frame(PUSH, 4, 1, word(2) + request()), goaway(PROTOCOL))
    case("6.7", "PING is answered", b"", alive)
    case("6.7", "an answer to no PING", frame(PING, ACK, 0, bytes(8)), alive)
    case("6.7", "PING on a stream", frame(PING, 0, 1, bytes(8)), goaway(PROTOCOL))
    case("6.7", "PING of six bytes", frame(PING, 0, 0, bytes(6)), goaway(SIZE_ERROR))
    case("6.8", "GOAWAY on a stream", frame(GOAWAY, 0, 1, bytes(8)), goaway(PROTOCOL))
    case("6.8", "GOAWAY of four bytes", frame(GOAWAY, 0, 0, bytes(4)), goaway(SIZE_ERROR))
    case("6.8", "streams are finished behind GOAWAY", going_away)
    case("6.9", "increment 0", update(0, 0), goaway(PROTOCOL))
    case("6.9", "increment 0 on a stream", post() + update(1, 0), reset(PROTOCOL))
    case("6.9", "WINDOW_UPDATE of three bytes", frame(UPDATE, 0, 0, bytes(3)), goaway(SIZE_ERROR))
    case("6.9.1", "the connection's window above 2^31-1", update(0, 0x7fffffff), goaway(FLOW))
    case("6.9.1", "a stream's window above 2^31-1", post() + update(1, 0x7fffffff), reset(FLOW))
    case("6.9.2", "windows that settings make too large", post() + update(1, 0x7fffffff - 65535) + settings((4, 65536)), goaway(FLOW))
    case("6.10", "CONTINUATION behind the end of a block", post() + frame(CONTINUATION, 4, 1, b""), goaway(PROTOCOL))
    case("6.10", "CONTINUATION on stream 0", headers(1, request()[:5], END) + frame(CONTINUATION, 4, 0, request()[5:]), goaway(PROTOCOL))
    case("6.10", "CONTINUATION behind DATA", post() + data(1, b"x") + frame(CONTINUATION, 4, 1, request()), goaway(PROTOCOL))


def small_table(peer):
    for number, size in enumerate([0, 4096, 50, 0]):
        peer.send(settings((1, size)))
        peer.decoder.max_allowed_table_size = max(size, 50)
        for index in range(4):
            stream = 8 * number + 2 * index + 1
            peer.send(get(stream, ("x-number", str(index))))
            peer.answer(stream)
        if peer.decoder.header_table_size > size:
            raise Failed(f"the table has {peer.decoder.header_table_size} bytes, not {size}")


def acknowledged(peer):
    before = peer.acknowledged
    peer.send(settings((3, 100)) + settings() + settings((6, 1 << 16)))
    peer.alive()
    # That of the greeting may come with them.
    if peer.acknowledged - before not in (3, 4):
        raise Failed(f"{peer.acknowledged - before} acknowledgements")


def going_away(peer):
    peer.send(post(1) + frame(GOAWAY, 0, 0, bytes(8)) + data(1, b"x", END))
    peer.answer(1)


def messages():
    malformed = {
        "8.2": [
            ("a name in upper case", [("A-b", "c")]), ("a space in a name", [("a b", "c")]), ("an empty name", [("", "c")]),
            ("a name of controls", [("a\x01", "c")]), ("LF in a value", [("a", "b\nc")]), ("CR in a value", [("a", "b\rc")]),
            ("NUL in a value", [("a", "b\0c")]), ("a space before a value", [("a", " b")]),
            ("a tab behind a value", [("a", "b\t")]), ("connection", [("connection", "keep-alive")]),
            ("transfer-encoding", [("transfer-encoding", "chunked")]), ("keep-alive", [("keep-alive", "5")]),
            ("proxy-connection", [("proxy-connection", "close")]), ("upgrade", [("upgrade", "websocket")]),
            ("te: gzip", [("te", "gzip")]),
        ],
        "8.3": [
            ("an unknown pseudo-field", [(":x", "y")]), ("a pseudo-field of responses", [(":status", "200")]),
            (":method twice", [(":method", "GET")]), (":path twice", [(":path", "/")]),
            (":authority twice", [(":authority", "a")]), ("a pseudo-field behind a field", [("a", "b"), (":x", "y")]),
        ],
        "8.3.1": [("host says otherwise", [("host", "b")]), ("host twice", [("host", "a"), ("host", "a")])],
        "8.1.1": [
            ("content-length without a body", [("content-length", "5")]),
            ("content-length twice", [("content-length", "0"), ("content-length", "0")]),
            ("content-length that is no number", [("content-length", "+0")]),
        ],
    }
    for section, list in malformed.items():
        for name, more in list:
            case(section, name, get(1, *more), reset(PROTOCOL))
    for section, name, block in [
        ("8.3.1", "no :method", request(None)), ("8.3.1", "no :scheme", request(scheme=None)),
        ("8.3.1", "no :path", request(path=None)), ("8.3.1", "an empty :path", request(path="")),
        ("8.3.1", "a :path without a slash", request(path="x")), ("8.3.1", "a space in :path", request(path="/a b")),
        ("8.3.1", "* and GET", request(path="*")), ("8.3.1", "no :authority and no host", request(authority=None)),
        ("8.3.1", "an empty :authority", request(authority="")), ("8.3.1", "a user in :authority", request(authority="u@a")),
        ("8.3", "a field before :path", fields(("a", "b")) + request()), ("8.3.1", "a :method that is none", request("G T")),
        ("8.5", "CONNECT with :path", request("CONNECT", scheme=None)),
        ("8.5", "CONNECT with :scheme", request("CONNECT", path=None, authority="a:1")),
        ("8.5", "CONNECT without a port", request("CONNECT", path=None, scheme=None)),
        ("RFC 8441 4", ":protocol and GET", request(more=[]) + b"" + fields((":protocol", "websocket"))),
    ]:
        case(section, name, headers(1, block), reset(PROTOCOL))
    case("8.1", "a second head that ends nothing", post() + headers(1, fields(("a", "b")), ENDHEADERS), reset(PROTOCOL))
    case("8.1", "a pseudo-field in trailers", post() + headers(1, fields((":path", "/"))), reset(PROTOCOL))
    case("8.1", "trailers", post() + data(1, b"x") + headers(1, fields(("x-sum", "1"))), answered())
    case("8.1.1", "a body that is too long", post(1, ("content-length", "1")) + data(1, b"xy", END), reset(PROTOCOL))
    case("8.1.1", "a body that is too short", post(1, ("content-length", "3")) + data(1, b"xy", END), reset(PROTOCOL))
    case("8.1.1", "a body in parts that is right", post(1, ("content-length", "3")) + data(1, b"x") + data(1, b"yz", END), answered())
    case("8.2.2", "te: trailers", get(1, ("te", "trailers")), answered())
    case("8.2.3", "crumbs of cookies", get(1, ("cookie", "a=b"), ("cookie", "c=d")), answered())
    case("8.3.1", "host and no :authority", headers(1, request(authority=None, more=[("host", "a")])), answered())
    case("8.3.1", "OPTIONS *", headers(1, request("OPTIONS", path="*")), alive)
    case("8.1", "HEAD has no body", head_only)
    case("8.1", "streams side by side", post(1) + get(3) + data(1, b"x", END), answered(3, 1))
    case("10.5", "a head of 128 KiB", b"".join([headers(1, request(), END)] + [
        frame(CONTINUATION, 4 if number == 7 else 0, 1, fields(("x", "y" * 16000))) for number in range(8)]), goaway(CALM))
    case("10.5.1", "more fields than announced", get(1, *[(f"x-{number}", "y" * 100) for number in range(110)] + [("y", "z")] * 100), reset(CALM))


def head_only(peer):
    peer.send(headers(1, request("HEAD")))
    head, body = peer.answer(1)
    if body:
        raise Failed("a body")


frames()
streams()
types()
messages()


# MARK: running them

def run(host, port, number):
    section, name, what, check, raw, greeting = CASES[number]
    peer = Peer(host, port)
    try:
        if not raw:
            peer.greet(*greeting)
        if callable(what):
            what(peer)
        else:
            peer.send(what)
        if check:
            check(peer)
        return None
    except Failed as failure:
        return f"{failure}; seen: {', '.join(peer.seen)}"
    except (OSError, TimeoutError, hpack.HPACKError) as failure:
        return f"{type(failure).__name__} {failure}; seen: {', '.join(peer.seen)}"
    finally:
        peer.socket.close()


def main(arguments):
    host, port, words = arguments[0], int(arguments[1]), arguments[2:]
    wanted = [n for n, c in enumerate(CASES) if not words or any(word in f"{c[0]} {c[1]}" for word in words)]
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for number, problem in zip(wanted, pool.map(lambda n: run(host, port, n), wanted)):
            failures += problem is not None
            print(f"{'ok' if problem is None else 'FAILED'} {CASES[number][0]} {CASES[number][1]}" + (f": {problem}" if problem else ""))
    print(f"{len(wanted) - failures} of {len(wanted)} cases")
    return 1 if failures or not wanted else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
