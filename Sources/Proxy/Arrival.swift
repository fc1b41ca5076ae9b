import EventLoop
import Model
import Syscalls

/// A connection whose first bytes are awaited, with nothing connected for it yet.
///
/// Its bytes stay in the kernel: whoever it goes to reads them from their start. So it holds no memory, and it does not
/// matter how they came. Lives in its worker's slab.
struct Arrival: ~Copyable, Sendable {
    /// What is waited for.
    enum Purpose: BitwiseCopyable {
        /// The beginning of anything; a client that stays silent is connected on.
        case detection
        /// The rest of a beginning that could be of more than one thing.
        case rest
        /// A ClientHello.
        case hello
        /// Connecting on has failed for this reason. A request can still be told so; everything else is reset.
        case lastWord(EndReason)
    }

    let downstream: Transport
    var purpose: Purpose
    var record: ConnectionRecord
    /// What it was admitted under.
    var admission: Admission
    /// The endpoint picked by an outbound entry that passes bytes on, whose pod wants the bytes looked at.
    var pinned: PinnedUpstream?

    /// Monotonic nanoseconds.
    let startedAt: Int64
    var timer = TimerWheel.Timer.none
    /// Its time is over.
    var isDue = false
    /// It is worth looking.
    var isReadable = false
    /// The client has announced its end: what is there is all.
    var readToEnd = false
    var isBroken = false
    /// It is to be reset for this reason at its next turn.
    var abortReason: EndReason?
    /// Its place in the ready queue.
    var queued = false

    init(
        _ downstream: consuming Transport, _ purpose: Purpose, _ record: ConnectionRecord, _ admission: Admission,
        startedAt: Int64
    ) {
        self.downstream = downstream
        self.purpose = purpose
        self.record = record
        self.admission = admission
        self.startedAt = startedAt
    }

    /// Takes the transport out, the rest goes.
    consuming func takeTransport() -> Transport { downstream }

    /// The pod whose share of the worker it uses: the client's, else the receiver's.
    var fairnessSlot: Int { record.pod >= 0 ? Int(record.pod) : Int(record.destinationPod) }

    /// Whether a turn could do something for it.
    var hasWork: Bool { abortReason != nil || isBroken || isReadable || isDue }
}

/// What a look at a client's first bytes has found.
enum FirstBytes: BitwiseCopyable {
    case decided(SpokenProtocol)
    /// The beginning of more than one thing.
    case partial
    case silent
    /// The client's end, and no byte before it.
    case end
    case broken(Errno)
}
