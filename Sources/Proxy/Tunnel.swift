import EventLoop
import Model
import Syscalls
import Upstream

/// A connection through the proxy: two transports and the two flows between them.
///
/// Plain state, no closures: everything here could be written down and taken up by another process. Lives in its
/// worker's slab.
struct Tunnel: ~Copyable, Sendable {
    /// Where it is in its life.
    enum State: BitwiseCopyable {
        /// The upstream's handshake is not done.
        case connecting
        /// Bytes flow.
        case open
    }

    var state = State.connecting
    var downstream: Transport
    var upstream: Transport
    /// Client to upstream, and back.
    var up = Flow()
    var down = Flow()

    /// What the log line will say.
    var record: ConnectionRecord
    /// What it was admitted under, given back when it closes.
    var admission: Admission
    /// Where it is being connected, and what has been tried.
    var plan: ConnectPlan
    /// While connecting: the upstream's handshake is over, one way or the other; or its time is.
    var upstreamAnswered = false
    var connectTimedOut = false

    /// Monotonic nanoseconds.
    let startedAt: Int64
    var lastActivity: Int64
    /// Of its cluster, nanoseconds.
    let idleTimeout: Int64
    var timer = TimerWheel.Timer.none

    /// When the rest of what the client has begun to say is no longer waited for, while it is undecided.
    var restDue: Int64 = 0

    /// Its place in `Worker.held`; -1: neither direction is charged for memory.
    var heldPlace: Int32 = -1
    /// Monotonic nanoseconds since when one direction has ended and the other has not; 0: both are alike.
    var halfOpenSince: Int64 = 0
    /// Its place in the ready queue.
    var queued = false
    /// A transport reported an error: the tunnel ends as soon as what can be read has been passed on.
    var downstreamBroken = false
    var upstreamBroken = false
    /// It is to be reset for this reason at its next turn: a timer or the control side said so.
    var abortReason: EndReason?
    /// It is to leave this worker at its next turn.
    var isDeparting = false
    /// The next generation of the process would not have it: it is not offered again.
    var isStaying = false
    /// Who sent FIN first.
    var firstToEnd: ConnectionRecord.Side?

    /// Takes the client's side out, the rest goes.
    consuming func takeDownstream() -> Transport { downstream }

    /// Bytes held for slow readers, both ways.
    var bufferedBytes: Int { up.bufferedBytes + down.bufferedBytes }

    /// The memory that takes.
    var bufferCapacity: Int { up.bufferCapacity + down.bufferCapacity }

    /// The pod whose share of the worker it uses: the client's, else the receiver's.
    var fairnessSlot: Int { record.pod >= 0 ? Int(record.pod) : Int(record.destinationPod) }

    /// Whether a turn could do something for it.
    var hasWork: Bool {
        if abortReason != nil || downstreamBroken { return true }
        return switch state {
        case .connecting: upstreamAnswered || connectTimedOut || (plan.detection != .none && up.sourceReady)
        case .open: up.hasWork || down.hasWork || upstreamBroken || isDeparting
        }
    }
}

/// The counts a connection takes part in, each taken at most once: pods, cluster, process.
struct Admission: BitwiseCopyable {
    /// Counted in `SharedState.connections`.
    var isCounted = false
    /// Slots of `SharedState.podConnections`; -1: none.
    var pod = -1
    var destinationPod = -1
    /// Slot of `SharedState.clusterConnections`; -1: none.
    var cluster = -1
}

/// How a connection finds its upstream: endpoint after endpoint, each tried once.
struct ConnectPlan: BitwiseCopyable {
    /// The cluster's index in the snapshot of `generation`, and its slot, to find it in a newer one.
    var clusterIndex: Int
    var clusterSlot: Int
    var generation: UInt64
    /// The endpoint now connected to, by slot; -1: an original destination, or none.
    var endpointSlot = -1
    /// The endpoint chosen last, connected to or not.
    var lastEndpointSlot = -1
    var tried = TriedEndpoints()
    /// The leased source port; nil when the kernel picks one.
    var lease: SourcePortLease?
    /// Nobody has spoken yet, and whoever does decides what this becomes.
    var detection = Detection.none
    /// Why the last attempt failed.
    var failure = EndReason.connectFailed
}
