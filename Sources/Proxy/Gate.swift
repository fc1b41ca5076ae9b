import Model
import Synchronization
import Syscalls

/// Keeps new connections away from listeners that still have to serve what waits in their queues.
///
/// * Interception listeners: a further socket joins the SO_REUSEPORT group, without IP_TRANSPARENT, and the group sends
///   every new SYN to it. The host's rules do not take a socket that is not transparent: for them nobody listens, and
///   the connection goes the way of `failover.policy`. Closing instead would reset what is established, not accepted.
/// * Explicit listeners: a filter drops new SYNs. Clients repeat them, and are refused when the listener has closed.
enum Gate {
    /// A gate in front of a group of `members` sockets that listen on `address`. It holds until the socket closes.
    static func open(_ address: SocketAddress, members: Int) throws(Errno) -> Socket {
        let family = address.address.family
        let socket = try Socket(family: family)
        try socket.set(.reuseAddress)
        try socket.set(.reusePort)
        if family == .v6 { try socket.set(.v6Only) }
        try socket.bind(to: address)
        try socket.listen(backlog: 1)
        // It is the last to have joined.
        try socket.directGroup(to: members)
        return socket
    }
}

/// Listening sockets that are done with, of all workers: closed together once the last worker has emptied its own.
///
/// In the reverse of the order in which they began to listen, so that at no moment a socket of this process stands where
/// the group's program points when the next generation of the process has its own sockets behind ours (a socket that
/// leaves a group is replaced by the last one). Gates close after them.
final class ClosingListeners: Sendable {
    private struct State {
        var sockets: [(worker: Int, socket: ListenerParcel)] = []
        var gates: [Descriptor.Parcel] = []
        var missingWorkers: Int
    }

    private let state: Mutex<State>

    init(workers: Int) { state = Mutex(State(missingWorkers: workers)) }

    /// Gates to close at the end.
    func keep(gate: consuming Socket) {
        let parcel = Descriptor.Parcel(gate.release())
        state.withLock { $0.gates.append(parcel) }
    }

    /// A worker has accepted all that its listeners had.
    func leave(_ sockets: [ListenerParcel], worker: Int) {
        let finished = state.withLock { state -> State? in
            state.sockets += sockets.map { (worker, $0) }
            state.missingWorkers -= 1
            guard state.missingWorkers == 0 else { return nil }
            defer { state = State(missingWorkers: 0) }
            return state
        }
        guard let finished else { return }
        for (_, socket) in finished.sockets.sorted(by: { $0.worker > $1.worker }) { _ = socket.take() }
        for gate in finished.gates { _ = gate.take() }
    }
}
