"""A gRPC server without generated code: messages are bytes. `server.py ADDRESS [NAME]` prints its port, then serves."""

import asyncio
import json
import sys

import grpc

NAME = sys.argv[2] if len(sys.argv) > 2 else "server"
OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
]

# What has happened, for those who ask.
counts = {"unary": 0, "clientStream": 0, "serverStream": 0, "bidi": 0, "never": 0, "cancelled": 0, "timeLeft": 0, "met": 0}
# What the health service answers by service: a number of ServingStatus, or "unknown", "silent", "garbage".
health = {"": 1}
flaky = {"left": 0, "status": 14}
meeting = asyncio.Event()


def metadata(context):
    return dict(context.invocation_metadata())


async def prepare(context):
    """Sends back what was asked for: fields of the metadata, and a status."""
    fields = metadata(context)
    context.set_trailing_metadata([(k, v) for k, v in fields.items() if k.startswith("y-")])
    await context.send_initial_metadata(
        [("x-server", NAME)] + [(k, v) for k, v in fields.items() if k.startswith("x-")])
    if "status" in fields:
        await abort(context, int(fields["status"]), fields.get("details", ""))


async def abort(context, status, details=""):
    codes = {code.value[0]: code for code in grpc.StatusCode}
    await context.abort(codes[status], details, context.trailing_metadata())


async def unary(request, context):
    counts["unary"] += 1
    if "bare-status" in metadata(context):
        await abort(context, int(metadata(context)["bare-status"]), "trailers only")
    if "plain" in metadata(context):
        # As ordinary methods do: all of the response is said at once.
        context.set_trailing_metadata([("y-server", NAME)])
        return request
    await prepare(context)
    if "sleep" in metadata(context):
        await asyncio.sleep(float(metadata(context)["sleep"]))
    return request


async def flaking(request, context):
    """Fails as often as it was told to, then answers."""
    counts["unary"] += 1
    if flaky["left"] > 0:
        flaky["left"] -= 1
        await abort(context, flaky["status"], "flaky")
    return request


async def client_stream(requests, context):
    counts["clientStream"] += 1
    await prepare(context)
    total = 0
    async for request in requests:
        total += len(request)
    return str(total).encode()


async def server_stream(request, context):
    """`COUNT INTERVAL SIZE`."""
    counts["serverStream"] += 1
    await prepare(context)
    count, interval, size = request.split()
    for number in range(int(count)):
        yield number.to_bytes(4, "big") + bytes(int(size))
        await asyncio.sleep(float(interval))


async def bidi(requests, context):
    """Without a message `end` it counts as cancelled: the library tells of that in more than one way."""
    counts["bidi"] += 1
    request = b""
    try:
        await prepare(context)
        async for request in requests:
            yield request
    finally:
        counts["cancelled"] += request != b"end"


async def never(request, context):
    """Sends nothing, until it is cancelled."""
    counts["never"] += 1
    counts["timeLeft"] = context.time_remaining() or 0
    try:
        await asyncio.sleep(3600)
    finally:
        counts["cancelled"] += 1


async def meet(request, context):
    """Answers all of its calls once there are as many as the request says."""
    counts["met"] += 1
    if counts["met"] >= int(request):
        meeting.set()
    await meeting.wait()
    return request


async def control(request, context):
    """Takes `{"health": {...}, "flaky": {...}}`, and says what has happened."""
    wanted = json.loads(request or b"{}")
    health.update(wanted.get("health", {}))
    flaky.update(wanted.get("flaky", {}))
    return json.dumps(counts | {"name": NAME}).encode()


async def check(request, context):
    """`grpc.health.v1.Health/Check`. The request's one field is a string shorter than 128 bytes."""
    service = request[2:].decode() if request else ""
    status = health.get(service, "unknown")
    if status == "unknown":
        await abort(context, grpc.StatusCode.NOT_FOUND.value[0], "no such service")
    if status == "silent":
        await asyncio.sleep(3600)
    if status == "garbage":
        return b"\xff\xff\xff"
    if status == "none":
        return b""
    # What a newer version might add comes first.
    return b"\x12\x03new\x08" + bytes([status])


METHODS = {
    "/test.Echo/Unary": grpc.unary_unary_rpc_method_handler(unary),
    "/test.Echo/Flaky": grpc.unary_unary_rpc_method_handler(flaking),
    "/test.Echo/ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "/test.Echo/ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "/test.Echo/Bidi": grpc.stream_stream_rpc_method_handler(bidi),
    "/test.Echo/Never": grpc.unary_unary_rpc_method_handler(never),
    "/test.Echo/Meet": grpc.unary_unary_rpc_method_handler(meet),
    "/test.Echo/Control": grpc.unary_unary_rpc_method_handler(control),
    "/grpc.health.v1.Health/Check": grpc.unary_unary_rpc_method_handler(check),
}


class Methods(grpc.GenericRpcHandler):
    def service(self, details):
        return METHODS.get(details.method)


async def main():
    server = grpc.aio.server(options=OPTIONS)
    server.add_generic_rpc_handlers([Methods()])
    print(server.add_insecure_port(sys.argv[1]), flush=True)
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
