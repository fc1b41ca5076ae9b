import Buffers
import Syscalls

/// One direction of a tunnel: from a source's reads to a sink's writes.
///
/// Back-pressure: while `pending` holds bytes the sink did not take, the source is not read, so a direction holds at
/// most the rest of one read. `readSize` grows with proven traffic: 16 KiB at first, doubled by each read that fills it,
/// up to the scratch buffer's 256 KiB, and back when reads turn small. So a slow reader of a trickle costs little, and
/// bulk gets the read size that makes it cheap.
struct Flow: ~Copyable, Sendable {
    /// What the sink did not take.
    var pending: Chunk?
    /// Bytes taken from the source so far.
    var bytes = 0
    /// Bytes not yet added to the counters.
    var uncounted = 0
    /// What to ask of the next read.
    private(set) var readSize = Flow.readSizeMin
    /// Readiness that makes the source, the sink, worth trying again.
    var sourceWants: Poller.Readiness = .readable
    var sinkWants: Poller.Readiness = .writable
    /// The source may have something; the sink may have room.
    var sourceReady = false
    var sinkReady = true
    /// The peer's end, an error or urgent data was announced: read on until nothing comes, a short read is not the last.
    var readToEnd = false
    /// The source has ended; that end was passed on to the sink.
    var sourceEnded = false
    var finished = false
    /// The memory it is charged for.
    var hold = Hold()

    static let readSizeMin = 16 << 10
    /// Reads below this share of `readSize` in a row before it is halved.
    private static let smallReadsMax: UInt8 = 8
    private var smallReads: UInt8 = 0

    /// Whether bytes pile up: the sink does not take them, or the worker had no time for all of them.
    var isBlocked: Bool { pending != nil || (sourceReady && !sourceEnded) }

    /// Bytes held for a slow sink.
    var bufferedBytes: Int {
        switch pending {
        case .some(let chunk): chunk.count
        case .none: 0
        }
    }

    /// The memory it takes, whatever it holds.
    var bufferCapacity: Int {
        switch pending {
        case .some(let chunk): chunk.capacity
        case .none: 0
        }
    }

    /// Whether a turn could move something.
    var hasWork: Bool {
        if finished { return false }
        if pending != nil { return sinkReady }
        return sourceReady || sourceEnded
    }

    /// Takes in what an event says of the source.
    mutating func sourceEvent(_ readiness: Poller.Readiness) {
        let readOn: Poller.Readiness = [.peerClosed, .hangup, .error, .urgent]
        if !readiness.isDisjoint(with: readOn) {
            readToEnd = true
            sourceReady = true
        } else if !readiness.isDisjoint(with: sourceWants) {
            sourceReady = true
        }
    }

    /// Takes in what an event says of the sink.
    mutating func sinkEvent(_ readiness: Poller.Readiness) {
        if !readiness.isDisjoint(with: sinkWants.union([.hangup, .error])) { sinkReady = true }
    }

    /// Forgets what was known of readiness: both ends are worth trying.
    mutating func tryAll() {
        sourceReady = !sourceEnded
        sinkReady = true
    }

    /// Learns from a read of `count` bytes.
    mutating func adapt(to count: Int) {
        if count == readSize {
            readSize = min(readSize * 2, Scratch.size)
            smallReads = 0
        } else if count < readSize / 4, readSize > Self.readSizeMin {
            smallReads += 1
            guard smallReads >= Self.smallReadsMax else { return }
            readSize /= 2
            smallReads = 0
        } else {
            smallReads = 0
        }
    }
}
