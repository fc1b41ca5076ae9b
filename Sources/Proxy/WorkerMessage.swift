import Model
import Upstream

/// One generation as workers get it: the snapshot, and the balancers' tables made from it on the control side.
final class Generation: Sendable {
    let snapshot: Snapshot
    let tables: ClusterTables

    init(snapshot: Snapshot, tables: ClusterTables) {
        self.snapshot = snapshot
        self.tables = tables
    }
}

/// What the control side says to a worker.
enum WorkerMessage: Sendable {
    /// Go over to this generation and hand the old one back.
    case adopt(Generation)
    /// Accept from this socket.
    case listen(ListenerParcel)
    /// Empty this listener's queue and close it.
    case close(ListenerSpec)
    /// Empty all queues and close all listeners.
    case drain
    /// Describe up to `limit` live connections.
    case list(limit: Int, reply: @Sendable ([ConnectionView], _ truncated: Bool) -> Void)
    /// Reset all connections for this reason.
    case abortAll(EndReason)
    /// Leave the loop.
    case exit
}
