import HTTP

/// What one turn of a client's connection of many streams may cost: its frames are small, and what they ask for is not. The
/// rest of its input is kept for its next turn, so that others have theirs between.
///
/// A plain value, made for a turn.
struct FrameShare: BitwiseCopyable {
    /// What it has begun and asked for so far.
    private(set) var work = 0
    /// Output of the connection at which it has had enough.
    let outputMax: Int

    /// Of frames that only move bytes, so many; of those that begin something, fewer.
    private static let workMax = 1024
    private static let headWork = 16
    /// As with pipelined requests of HTTP/1.
    private static let outputBytesMax = 64 << 10

    /// `output`: bytes that wait for the client already.
    init(output: Int) { outputMax = output + Self.outputBytesMax }

    /// Whether all of it is used. `output`: bytes that wait for the client now.
    @inline(__always) func isSpent(output: Int) -> Bool { work >= Self.workMax || output >= outputMax }

    /// An event was obeyed.
    @inline(__always) mutating func count(_ event: HTTP2Event) {
        switch event {
        case .head, .trailers, .reset: work += Self.headWork
        default: work += 1
        }
    }

    /// In the measure of bytes that are moved: about what took as long.
    var weight: Int { work << 9 }
}
