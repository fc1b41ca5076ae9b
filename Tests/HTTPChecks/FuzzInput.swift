import HTTP

/// Any bytes as an input of the fuzz target: the first one says what the others are.
public struct FuzzInput: Sendable {
    private let kind: UInt8
    private let bytes: [UInt8]

    /// The input that these bytes are.
    public init(_ input: [UInt8]) {
        kind = input.first ?? 0
        bytes = Array(input.dropFirst())
    }

    /// The first thing that does not hold, nil if all does: the same events however the bytes are split, consumed bytes within
    /// the input, and what is sent on is understood as the same messages.
    public func check() -> String? {
        let middle = bytes.count / 2
        let splits = [[Int(kind)].filter { $0 < bytes.count }, [middle], Array(bytes.indices.prefix(2000))]
        if let problem = checkPath() { return problem }
        if kind & 1 == 0 { return Checks.requests(bytes, splits: splits, limits: limits) }
        let answer = Transcript.Answer(toHead: kind & 2 != 0, toConnect: kind & 4 != 0, toUpgrade: kind & 8 != 0)
        return Checks.responses(bytes, to: [answer, .init(), .init(toHead: true)], splits: splits, limits: limits)
    }

    /// Small ones half of the time, so that they are reached.
    private var limits: HTTP1Limits {
        var limits = HTTP1Limits()
        guard kind & 16 != 0 else { return limits }
        limits.startLineBytes = 60
        limits.headerBytes = 200
        limits.headerCount = 5
        limits.chunkLineBytes = 20
        limits.chunkExtensionBytes = 30
        limits.trailerBytes = 50
        limits.bodyBytes = 100
        return limits
    }

    /// A path that was normalized stays as it is.
    private func checkPath() -> String? {
        var head = MessageHead()
        head.setPath(bytes.span)
        guard head.normalizePath() == nil else { return nil }
        let once = Transcript.text(head, head.path)
        let problem = head.normalizePath()
        let twice = Transcript.text(head, head.path)
        return problem == nil && once == twice ? nil : "path \(once), then \(twice)"
    }
}
