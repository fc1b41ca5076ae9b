import EventLoop
import Model
import Synchronization

/// What a worker shares with the rest of the process: where messages come in, where counters and records go out, and
/// the settings that are fixed for the life of the process.
final class WorkerContext: Sendable {
    let index: Int
    let workerCount: Int
    let settings: WorkerSettings
    let mailbox: Mailbox<WorkerMessage>
    let statistics = WorkerStatistics()
    let records = RecordRing()
    let shared: SharedState
    let pairs: PairRegistry
    /// Generations the worker has let go of: released on the control side, where freeing them stops nobody.
    let returned = Mutex<[Generation]>([])
    /// All its listeners are empty and closed.
    let drained = Atomic<Bool>(false)
    /// The generation it works with.
    let adopted = Atomic<UInt64>(0)

    init(
        index: Int, workerCount: Int, settings: WorkerSettings, mailbox: Mailbox<WorkerMessage>, shared: SharedState,
        pairs: PairRegistry
    ) {
        self.index = index
        self.workerCount = workerCount
        self.settings = settings
        self.mailbox = mailbox
        self.shared = shared
        self.pairs = pairs
    }
}

/// Settings that no reload changes.
struct WorkerSettings: Sendable {
    /// SO_MARK of upstream sockets; nil: not intercepting, so no mark (and no privilege) is needed.
    let upstreamMark: UInt32?
    /// Ports to connect from when spoofing.
    let sourcePorts: PortRange
    /// The interception listeners' ports: connections *to* them are loops.
    let interceptionPorts: InterceptionPorts
    /// Connections of this process at most.
    let connectionsMax: Int

    init(_ configuration: Configuration, connectionsMax: Int) {
        let interception = configuration.interception
        upstreamMark = interception?.mark.mark(2)
        sourcePorts = interception?.sourcePorts ?? Configuration.Interception.defaultSourcePorts
        interceptionPorts = InterceptionPorts(
            outbound: interception?.outboundPort ?? 0, inbound: interception?.inboundPort ?? 0)
        self.connectionsMax = connectionsMax
    }
}

/// Where the interception listeners are: both ports, on both loopback addresses. 0: no interception.
struct InterceptionPorts: Sendable, BitwiseCopyable {
    let outbound, inbound: UInt16

    /// Whether one of them has this address.
    func isListener(_ address: SocketAddress) -> Bool {
        guard address.port == outbound || address.port == inbound, address.port != 0 else { return false }
        return address.address == .loopbackV4 || address.address == .loopbackV6
    }
}
