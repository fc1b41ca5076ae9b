import HTTP

/// Any bytes as an input of the fuzz targets `http2` and `hpack`: the first one says what the others are.
public struct HTTP2FuzzInput: Sendable {
    private let kind: UInt8
    private let bytes: [UInt8]

    /// The input that these bytes are.
    public init(_ input: [UInt8]) {
        kind = input.first ?? 0
        bytes = Array(input.dropFirst())
    }

    /// The first thing that does not hold, nil if all does.
    public func check() -> String? {
        let role: HTTP2Session.Role = kind & 1 == 0 ? .server : .client
        var input = kind & 4 == 0 ? frames : bytes
        if kind & 2 == 0 { input = (role == .server ? HTTP2Bytes.clientStart : HTTP2Bytes.frame(4)) + input }
        let splits = [[Int(kind)].filter { $0 < input.count }, [input.count / 2], Array(input.indices.prefix(1500))]
        return HTTP2Checks.session(role, input, splits: splits, limits: limits)
    }

    /// The first thing that does not hold for the bytes as field blocks: each begins with its length in a byte.
    public func checkBlocks() -> String? {
        var blocks: [[UInt8]] = []
        var rest = bytes[...]
        while let count = rest.popFirst() {
            // A prefix of what a request needs makes most of them one.
            let block = Array(rest.prefix(Int(count)))
            blocks.append(kind & 1 == 0 ? HTTP2Bytes.get + block : block)
            rest = rest.dropFirst(Int(count))
        }
        return HTTP2Checks.blocks(blocks)
    }

    /// The bytes as frames whose lengths are right: type, flags, stream and length are four bytes, the payload follows.
    private var frames: [UInt8] {
        var (all, rest): ([UInt8], ArraySlice<UInt8>) = ([], bytes[...])
        while rest.count >= 4 {
            let header = Array(rest.prefix(4))
            let payload = Array(rest.dropFirst(4).prefix(Int(header[3])))
            all += HTTP2Bytes.frame(header[0] & 15, flags: header[1], stream: UInt32(header[2] & 31), payload)
            rest = rest.dropFirst(4 + payload.count)
        }
        return all
    }

    /// Small ones half of the time, so that they are reached.
    private var limits: HTTP2Limits {
        var limits = HTTP2Limits()
        guard kind & 16 != 0 else { return limits }
        limits.headerBytes = 300
        limits.headerCount = 5
        limits.trailerBytes = 100
        limits.concurrentStreams = 3
        limits.streamWindow = 1000
        limits.connectionWindow = 70000
        limits.headerTableBytes = 200
        limits.continuationFrames = 2
        limits.resets = .init(burst: 3, perSecond: 1)
        limits.settings = .init(burst: 4, perSecond: 1)
        limits.pings = .init(burst: 3, perSecond: 1)
        limits.emptyFrames = .init(burst: 2, perSecond: 1)
        limits.ignoredFrames = .init(burst: 3, perSecond: 1)
        limits.windowUpdates = .init(burst: 3, perSecond: 1)
        return limits
    }
}
