import Buffers
import HTTP

/// The same messages as `Codec`'s over a client's and a server's HTTP/2 session, in the steps a proxy takes.
struct HTTP2Steps: ~Copyable {
    private var request = MessageHead()
    private var response = MessageHead()
    private var head = MessageHead()
    private var client = HTTP2Session(.client)
    private var server = HTTP2Session(.server)
    private var up = OutputBuffer()
    private var down = OutputBuffer()
    private var streams: [UInt32] = []
    private let body = [UInt8](repeating: 0x61, count: 1024)
    /// Fewer than may be open at once.
    private static let streamsAtOnce = 50

    init() {
        var requests = HTTP1Decoder(.request)
        let requestBytes = Codec.request
        _ = requests.next(requestBytes.span, head: &request, trailers: &head)
        var responses = HTTP1Decoder(.response)
        responses.expectResponse(toHead: false, toConnect: false)
        let responseBytes = Codec.response
        _ = responses.next(responseBytes.span, head: &response, trailers: &head)
        client.start(into: &up)
        server.start(into: &down)
    }

    consuming func run(_ rounds: Int) {
        let names = ["send request", "read request", "send response and 1 KiB", "read response and 1 KiB"]
        var best = [Duration](repeating: .seconds(1), count: names.count)
        let clock = ContinuousClock()
        for batch in 0..<Codec.batches * rounds / Self.streamsAtOnce {
            let now = Int64(batch) * 1_000_000
            let times = [
                clock.measure { ask() }, clock.measure { readRequests(now) }, clock.measure { answer() },
                clock.measure { readResponses(now) },
            ]
            for index in names.indices { best[index] = min(best[index], times[index]) }
        }
        print("HTTP/2, \(Self.streamsAtOnce) streams at once:")
        for (name, time) in zip(names, best) {
            print("\(name): \(time.components.attoseconds / 1_000_000_000 / Int64(Self.streamsAtOnce)) ns")
        }
    }

    private mutating func ask() {
        for _ in 0..<Self.streamsAtOnce {
            guard let stream = client.open(tag: 1) else { preconditionFailure("no stream") }
            client.sendRequest(request, on: stream, framing: .none, isEnd: true, into: &up)
        }
    }

    private mutating func readRequests(_ now: Int64) {
        streams.removeAll(keepingCapacity: true)
        Self.read(&server, up, &head, &down, now, &streams)
        precondition(streams.count == Self.streamsAtOnce)
        up.removeAll()
    }

    private mutating func answer() {
        for stream in streams {
            server.sendResponse(response, on: stream, framing: .length(body.count), isEnd: false, into: &down)
            // The array lives for the call.
            _ = unsafe body.withUnsafeBytes { unsafe server.sendData($0, on: stream, isEnd: true, into: &down) }
        }
    }

    private mutating func readResponses(_ now: Int64) {
        streams.removeAll(keepingCapacity: true)
        Self.read(&client, down, &head, &up, now, &streams)
        precondition(streams.count == Self.streamsAtOnce)
        down.removeAll()
    }

    /// Reads all of `input`; `ended` are the streams whose end is in it. Bodies are dropped.
    private static func read(
        _ session: inout HTTP2Session, _ input: borrowing OutputBuffer, _ head: inout MessageHead,
        _ output: inout OutputBuffer, _ now: Int64, _ ended: inout [UInt32]
    ) {
        var start = 0
        while true {
            let event = session.next(input.bytes.extracting(start...), head: &head, output: &output, now: now)
            start += event.consumedCount
            switch event {
            case .needMoreBytes: return
            case .head(_, let stream, _, _, let isEnd): if isEnd { ended.append(stream) }
            case .data(_, let stream, _, let range, let isEnd):
                session.release(range.count, of: stream, into: &output)
                if isEnd { ended.append(stream) }
            default: break
            }
        }
    }
}
