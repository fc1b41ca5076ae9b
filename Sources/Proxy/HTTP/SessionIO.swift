import Buffers
import Syscalls

/// What both kinds of HTTP connections have below their codecs: a transport, what is known of its readiness, bytes that
/// wait to be decoded, and encoded bytes that the peer has not taken.
///
/// Back-pressure: while `output` holds bytes nothing more is produced for this peer, so it holds at most what one read of
/// the other side became.
struct SessionIO: ~Copyable, Sendable {
    var transport: Transport
    /// Read, but not decoded: the start of a line, or a request that has to wait for the one before.
    var input: Chunk?
    /// Encoded, but not taken by the peer.
    var output: Chunk?
    /// `output` is still being added to in this turn of the worker: the peer has not been asked yet.
    var isCollecting = false
    /// It is gathered with others; see `Worker+Gather`.
    var isGathered = false
    /// A read may bring something.
    var isReadable = false
    /// A write may be taken.
    var isWritable = true
    /// An end or an error was announced: a short read is not the last one.
    var readToEnd = false
    /// The peer's FIN was read.
    var inputEnded = false
    /// An error was announced or met.
    var isBroken = false
    /// What of `heldBytes` is in the worker's count.
    var countedBytes = 0
    /// What to ask of the next read; see `Flow`.
    private(set) var readSize = Flow.readSizeMin
    private var smallReads: UInt8 = 0

    init(_ transport: consuming Transport) { self.transport = transport }

    /// Whether there is something to decode, or may be.
    var hasInput: Bool { input != nil || (isReadable && !inputEnded) }

    /// Nothing is under way on it, and its peer has not said its end.
    var isIdle: Bool { input == nil && output == nil && !readToEnd && !inputEnded && !isBroken }

    /// Whether the peer has to take something first.
    var hasOutput: Bool { output != nil }

    /// Whether no more should be produced for the peer: it does not take what there is, or has a lot to take.
    var isBlocked: Bool { output != nil && (!isCollecting || outputCount > Self.collectedBytesMax) }

    /// Collected for one peer in one turn before it counts as blocked.
    static let collectedBytesMax = 256 << 10

    /// The memory of what waits to be decoded.
    var inputCapacity: Int { Self.capacity(input) }

    /// Bytes held in user memory.
    var heldBytes: Int { Self.capacity(input) + Self.capacity(output) }

    static func capacity(_ chunk: borrowing Chunk?) -> Int {
        switch chunk {
        case .some(let chunk): chunk.capacity
        case .none: 0
        }
    }

    /// Takes in what an event says.
    mutating func event(_ readiness: Poller.Readiness) {
        if readiness.contains(.error) { isBroken = true }
        let ends: Poller.Readiness = [.peerClosed, .hangup, .error]
        if !readiness.isDisjoint(with: ends) { readToEnd = true }
        if !readiness.isDisjoint(with: ends.union([.readable, .urgent])) { isReadable = true }
        if !readiness.isDisjoint(with: [.writable, .hangup, .error]) { isWritable = true }
    }

    /// Learns from a read of `count` bytes, as `Flow` does.
    mutating func adapt(to count: Int) {
        if count == readSize {
            readSize = min(readSize * 2, Scratch.size)
            smallReads = 0
        } else if count < readSize / 4, readSize > Flow.readSizeMin {
            smallReads += 1
            guard smallReads >= 8 else { return }
            readSize /= 2
            smallReads = 0
        } else {
            smallReads = 0
        }
    }
}
