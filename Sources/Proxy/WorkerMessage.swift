import Model
import Routing
import Upstream

/// One generation as workers get it: the snapshot, and what was made from it, and from what it changes, on the control
/// side.
final class Generation: Sendable {
    let snapshot: Snapshot
    let tables: ClusterTables
    let routes: RouteTables
    /// By worker.
    let checks: [CheckPlan]

    /// The generation after `previous` (nil: the first one).
    init(_ snapshot: Snapshot, after previous: Generation?, workers: Int) {
        self.snapshot = snapshot
        tables = ClusterTables(snapshot, reusing: previous?.tables)
        routes = RouteTables(snapshot)
        checks = CheckPlan.plans(from: previous?.snapshot, to: snapshot, workers: workers)
    }
}

/// Other endpoints of one cluster, as workers get them: between two generations, and counted as one (`number`).
final class Replacement: Sendable {
    let number: UInt64
    let change: EndpointChange
    /// Slots of endpoints that the cluster no longer has.
    let gone: [UInt32]
    /// By worker.
    let checks: [CheckPlan]

    init(_ update: EndpointUpdate, of generation: Generation, workers: Int) {
        number = update.generation
        gone = update.gone
        change = generation.tables.change(update, in: generation.snapshot)
        checks = CheckPlan.plans(for: update, in: generation.snapshot, workers: workers)
    }
}

/// What the control side says to a worker.
enum WorkerMessage: Sendable {
    /// Go over to this generation and hand the old one back.
    case adopt(Generation)
    /// Use these endpoints of a cluster from now on and hand this back.
    case replaceEndpoints(Replacement)
    /// Accept from this socket.
    case listen(ListenerParcel)
    /// Empty this listener's queue and close it.
    case close(ListenerSpec)
    /// Say in answers to remote guards that this process is about to drain.
    case leave
    /// New connections are being kept away: accept what is queued, and after `grace` nanoseconds leave all listening
    /// sockets there.
    case drain(grace: Int64, ClosingListeners)
    /// Go on with a connection that another worker accepted.
    case admit(FreshConnection)
    /// Let up to `limit` open connections leave, and say what left and how many connections are left.
    case depart(limit: Int, done: @Sendable (_ parcels: [TunnelParcel], _ left: Int) -> Void)
    /// Go on with a live connection.
    case arrive(TunnelParcel)
    /// Another worker's requests wait for a connection of the cluster with this slot.
    case yield(clusterSlot: Int)
    /// Count on from there.
    case inherit(Inheritance)
    /// The new connections of all groups go to this place; nil: to all places again.
    case direct(Int?)
    /// Accept again: a drain is taken back.
    case resume
    /// Describe up to `limit` live connections.
    case list(limit: Int, reply: @Sendable ([ConnectionView], _ truncated: Bool) -> Void)
    /// Say what was learned of a destination.
    case recall(SocketAddress, reply: @Sendable (LearnedProtocol?) -> Void)
    /// Reset all connections and leave the loop.
    case exit

    /// Whether it changes what the worker works with, which takes more than a turn.
    var isAdoption: Bool {
        switch self {
        case .adopt, .replaceEndpoints: true
        default: false
        }
    }

    /// Whether it is about all connections, which takes more than a turn, or needs what such a one before it has done.
    var isSweep: Bool {
        switch self {
        case .list, .resume, .drain, .depart: true
        default: false
        }
    }
}
