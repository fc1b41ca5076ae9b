"""What a gRPC client expects of a proxy. `client.py TEST ADDRESS [ARGUMENT]...` prints `done`, or what was wrong."""

import asyncio
import json
import os
import sys
import time

import grpc

TEST, ADDRESS, *ARGUMENTS = sys.argv[1:]
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A channel is a connection of its own, retries are the proxy's.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
]
Code = grpc.StatusCode


def channel(**more):
    return grpc.aio.insecure_channel(ADDRESS, options=OPTIONS, **more)


def unary(channel, method="Unary"):
    return channel.unary_unary(f"/test.Echo/{method}")


async def control(channel, **wanted):
    return json.loads(await unary(channel, "Control")(json.dumps(wanted).encode(), wait_for_ready=True))


async def failure(call):
    """The error with which a call ends."""
    code = await call.code()
    assert code != Code.OK, "the call did not fail"
    return grpc.aio.AioRpcError(
        code, await call.initial_metadata() or (), await call.trailing_metadata() or (), await call.details())


async def eventually(condition, seconds=10):
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "not within its time"
        await asyncio.sleep(0.02)


async def kinds():
    """All four kinds of call, small and large."""
    async with channel() as c:
        for size in (0, 1, 1000, 65536, 1 << 20):
            data = os.urandom(size)
            assert await unary(c)(data) == data
            pieces = [data] * 5

            async def stream():
                for piece in pieces:
                    yield piece

            assert await c.stream_unary("/test.Echo/ClientStream")(stream()) == str(5 * size).encode()
            answers = [m async for m in c.unary_stream("/test.Echo/ServerStream")(f"7 0 {size}".encode())]
            assert [int.from_bytes(m[:4], "big") for m in answers] == list(range(7))
            assert all(len(m) == size + 4 for m in answers)
            assert [m async for m in c.stream_stream("/test.Echo/Bidi")(stream())] == pieces
            call = c.stream_stream("/test.Echo/Bidi")()
            for number in range(50):
                await call.write(data[:100] + bytes([number]))
                assert await call.read() == data[:100] + bytes([number])
            await call.done_writing()
            assert await call.read() is grpc.aio.EOF and await call.code() == Code.OK
        empty = [m async for m in c.unary_stream("/test.Echo/ServerStream")(b"0 0 0")]
        assert empty == []


async def statuses():
    """Every status with its text and details, after a head and as trailers only."""
    async with channel() as c:
        for code in Code:
            if code == Code.OK:
                continue
            status = str(code.value[0])
            details = "gr\u00fc\u00df Gott: 100 % & \"quoted\"\n"
            blob = bytes(range(256))
            fields = [("status", status), ("details", "why not"), ("y-blob-bin", blob), ("grpc-status-details-bin", blob)]
            error = await failure(unary(c)(b"x", metadata=fields))
            assert error.code() == code and error.details() == "why not", (code, error)
            assert dict(error.trailing_metadata())["y-blob-bin"] == blob
            assert dict(error.initial_metadata())["x-server"] == "server"
            error = await failure(unary(c)(b"x", metadata=[("bare-status", status)]))
            assert error.code() == code and error.details() == "trailers only", error
        error = await failure(unary(c, "Nothing")(b""))
        assert error.code() == Code.UNIMPLEMENTED, error


async def fields():
    """Metadata both ways, text and bytes, many and long."""
    async with channel() as c:
        sent = [(f"x-field-{n}", "v" * (n + 1)) for n in range(40)] + [("x-blob-bin", os.urandom(400))]
        sent += [(f"y-field-{n}", "w" * (n + 1)) for n in range(40)] + [("y-blob-bin", os.urandom(400))]
        for _ in range(3):
            call = unary(c)(b"", metadata=sent)
            assert await call == b""
            head, trailers = dict(await call.initial_metadata()), dict(await call.trailing_metadata())
            for name, value in sent:
                assert (head if name[0] == "x" else trailers)[name] == value, name


async def cancels():
    """A call that is cancelled ends at the server; others of the connection go on."""
    async with channel() as c:
        other = c.stream_stream("/test.Echo/Bidi")()
        await other.write(b"a")
        assert await other.read() == b"a"
        call = unary(c, "Never")(b"")

        async def begun():
            return (await control(c))["never"] == 1

        await eventually(begun)
        call.cancel()

        async def ended():
            return (await control(c))["cancelled"] == 1

        await eventually(ended)
        stream = c.stream_stream("/test.Echo/Bidi")()
        await stream.write(b"b")
        assert await stream.read() == b"b"
        stream.cancel()

        async def both():
            return (await control(c))["cancelled"] == 2

        await eventually(both)
        await other.write(b"c")
        assert await other.read() == b"c"


async def deadlines():
    """The server sees the deadline, and the end of the call."""
    async with channel() as c:
        began = time.monotonic()
        error = await failure(unary(c, "Never")(b"", timeout=0.5))
        assert error.code() == Code.DEADLINE_EXCEEDED, error
        assert 0.4 < time.monotonic() - began < 5

        async def ended():
            counts = await control(c)
            return counts["cancelled"] == 1 and 0 < counts["timeLeft"] <= 0.5

        await eventually(ended)
        call = c.unary_stream("/test.Echo/ServerStream")(b"1000 0.01 10", timeout=0.5)
        error = await failure(call)
        assert error.code() == Code.DEADLINE_EXCEEDED, error
        assert await unary(c)(b"x", timeout=5) == b"x"


async def large():
    """A message of 100 MB, both ways."""
    async with channel() as c:
        data = os.urandom(1 << 20) * 100
        assert await unary(c)(data) == data
        assert await unary(c)(b"small") == b"small"


async def compressed():
    async with channel(compression=grpc.Compression.Gzip) as c:
        data = b"compressible " * 100000
        assert await unary(c)(data) == data


async def together():
    """As many calls at the same time as it is told, over so many connections: none is answered before all have begun."""
    count, connections = map(int, ARGUMENTS)
    channels = [channel() for _ in range(connections)]
    calls = [unary(channels[n % connections], "Meet")(str(count).encode(), timeout=40) for n in range(count)]
    for answer in asyncio.as_completed(calls):
        assert await answer == str(count).encode()
    for c in channels:
        await c.close()


async def queued():
    """1,000 calls at once on one connection."""
    async with channel() as c:
        data = [os.urandom(500) for _ in range(1000)]
        answers = await asyncio.gather(*[unary(c)(d, timeout=40) for d in data])
        assert answers == data


async def refused():
    """The code and the text of the proxy's own answer, for all kinds of call."""
    code, text = ARGUMENTS[0], ARGUMENTS[1]
    async with channel() as c:
        # Requests that have begun: a message that meets the end of its call is an error of the library's own.
        for call in (
            unary(c)(b"x"), c.stream_unary("/test.Echo/ClientStream")(),
            c.unary_stream("/test.Echo/ServerStream")(b"1 0 0"), c.stream_stream("/test.Echo/Bidi")(),
        ):
            error = await failure(call)
            assert error.code().name == code and text in error.details(), error


async def retried():
    """Fails `LEFT` times with `STATUS`, and is expected to end as `CODE`."""
    left, status, code = int(ARGUMENTS[0]), int(ARGUMENTS[1]), ARGUMENTS[2]
    async with channel() as c:
        await control(c, flaky={"left": left, "status": status})
        try:
            answer = await unary(c, "Flaky")(b"again")
            assert answer == b"again" and code == "OK", answer
        except grpc.aio.AioRpcError as error:
            assert error.code().name == code, error
        print((await control(c))["unary"])


async def load():
    """Unary calls and streams for some time: `load SECONDS CALLERS STREAMS` prints `ready` once the streams are there, and
    at last what became of all."""
    seconds, callers, streams = float(ARGUMENTS[0]), int(ARGUMENTS[1]), int(ARGUMENTS[2])
    end = time.monotonic() + seconds
    result = {"calls": 0, "failures": [], "streams": {}, "servers": {}, "slowest": 0.0}

    async def caller(c):
        while time.monotonic() < end:
            began = time.monotonic()
            call = unary(c)(b"x" * 100, timeout=10, metadata=[("plain", "")])
            try:
                assert await call == b"x" * 100
                result["calls"] += 1
                server = dict(await call.trailing_metadata())["y-server"]
                result["servers"][server] = result["servers"].get(server, 0) + 1
            except grpc.aio.AioRpcError as error:
                result["failures"].append(f"{error.code().name} {error.details()}")
            result["slowest"] = max(result["slowest"], time.monotonic() - began)

    async def stream(c, ready):
        call = c.stream_stream("/test.Echo/Bidi")()
        try:
            await call.write(b"x")
            assert await call.read() == b"x"
            server = dict(await call.initial_metadata())["x-server"]
            ready.release()
            # Only reads: a message that meets the end of its call is an error of the library's own.
            reading = asyncio.ensure_future(call.read())
            await asyncio.wait([reading], timeout=max(0, end - time.monotonic()))
            if not reading.done():
                await call.done_writing()
            assert await reading is grpc.aio.EOF
            name = (await call.code()).name
        except grpc.aio.AioRpcError as error:
            name = error.code().name
        except asyncio.InvalidStateError:
            name = (await call.code()).name
        result["streams"].setdefault(server, {}).setdefault(name, 0)
        result["streams"][server][name] += 1

    async with channel() as c, channel() as d:
        ready = asyncio.Semaphore(0)
        tasks = [asyncio.create_task(stream(d, ready)) for _ in range(streams)]
        for _ in range(streams):
            await ready.acquire()
        print("ready", flush=True)
        await asyncio.gather(*[caller(c) for _ in range(callers)], *tasks)
    print(json.dumps(result))


async def idle():
    """A stream with a message now and then lives, a silent one does not: `idle TIMEOUT`."""
    timeout = float(ARGUMENTS[0])
    async with channel() as c:
        down = c.unary_stream("/test.Echo/ServerStream")(f"8 {timeout / 3} 10".encode())
        up = c.stream_unary("/test.Echo/ClientStream")()

        async def upload():
            for _ in range(8):
                await up.write(b"abc")
                await asyncio.sleep(timeout / 3)
            await up.done_writing()
            return await up

        silent = c.stream_stream("/test.Echo/Bidi")()
        await silent.write(b"x")
        assert await silent.read() == b"x"
        began = time.monotonic()
        waiting = unary(c, "Never")(b"")

        async def received():
            return len([m async for m in down])

        async def ends(call):
            error = await failure(call)
            return error.code().name, time.monotonic() - began

        answers = await asyncio.gather(received(), upload(), ends(silent), ends(waiting))
        assert answers[0] == 8 and answers[1] == b"24", answers
        for name, seconds in answers[2:]:
            assert name == "DEADLINE_EXCEEDED" and timeout * 0.9 < seconds < timeout * 2 + 1, answers


async def set_control():
    """`set_control JSON`: see the server."""
    async with channel() as c:
        await control(c, **json.loads(ARGUMENTS[0]))


asyncio.run(globals()[TEST]())
print("done")
