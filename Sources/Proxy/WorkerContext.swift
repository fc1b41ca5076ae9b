import EventLoop
import Model
import Synchronization
import Syscalls

/// What a worker shares with the rest of the process: where messages come in, where counters and records go out, and
/// the settings that are fixed for the life of the process.
final class WorkerContext: Sendable {
    let index: Int
    /// What this worker sees of the others.
    let group: WorkerGroup
    let settings: WorkerSettings
    let mailbox: Mailbox<WorkerMessage>
    let statistics: WorkerStatistics
    let records = RecordRing()
    let requests = RequestRing()
    let shared: SharedState
    let pairs: PairRegistry
    /// Generations the worker has let go of: released on the control side, where freeing them stops nobody.
    let returned = Mutex<[Generation]>([])
    let replaced = Mutex<[Replacement]>([])
    /// All its listeners are empty and closed.
    let drained = Atomic<Bool>(false)
    /// The generation it works with, or the replacement of endpoints that came last.
    let adopted = Atomic<UInt64>(0)

    init(
        index: Int, group: WorkerGroup, settings: WorkerSettings, shared: SharedState, pairs: PairRegistry
    ) {
        self.index = index
        self.group = group
        self.settings = settings
        mailbox = group.mailboxes[index]
        statistics = group.statistics[index]
        self.shared = shared
        self.pairs = pairs
    }
}

extension WorkerContext {
    /// How many workers there are.
    var workerCount: Int { group.mailboxes.count }
}

/// All workers of the process, as each of them sees the others: where to send a connection, and how busy they are.
final class WorkerGroup: Sendable {
    let mailboxes: [Mailbox<WorkerMessage>]
    let statistics: [WorkerStatistics]

    init(workers: Int) throws(Errno) {
        var mailboxes: [Mailbox<WorkerMessage>] = []
        for _ in 0..<workers { mailboxes.append(try Mailbox()) }
        self.mailboxes = mailboxes
        statistics = (0..<workers).map { _ in WorkerStatistics() }
    }
}

/// Settings that no reload changes.
struct WorkerSettings: Sendable {
    /// SO_MARK of upstream sockets; nil: not intercepting, so no mark (and no privilege) is needed.
    let upstreamMark: UInt32?
    /// Ports to connect from when spoofing.
    let sourcePorts: PortRange
    /// The same on behalf of protected hosts; nil: there is nothing else, `sourcePorts` are for them.
    let protectedPorts: PortRange?
    /// Whether an intercepted connection can be a pod's of this host.
    let hasOwnPods: Bool
    /// Bits of packet marks that hold a protected host's id.
    private let hostMarkMask: UInt32
    /// A worker turns at least this often, so that its heartbeat tells a hung one from an idle one. The guard looks
    /// several times a second.
    let heartbeatNanoseconds: Int64
    /// See `GatherPace`.
    let gatherNanoseconds: Int64
    /// The interception listeners' ports: connections *to* them are loops.
    let interceptionPorts: InterceptionPorts
    /// Descriptors from this number on are not for connections: how many a client takes up by its streams is not known when
    /// it comes.
    let descriptorsEnd: Int32
    /// Connections of this process at most.
    let connectionsMax: Int
    /// Of every socket that carries bytes.
    let options: ConnectionOptions

    init(_ configuration: Configuration, connectionsMax: Int, options: ConnectionOptions) {
        let interception = configuration.interception
        upstreamMark = interception?.mark.mark(2)
        sourcePorts = interception?.sourcePorts ?? Configuration.Interception.defaultSourcePorts
        let isRemote = configuration.node.mode == .remote
        protectedPorts = isRemote ? nil : configuration.failover.sourcePorts
        hasOwnPods = !isRemote
        hostMarkMask = configuration.failover.hostMarkMask
        heartbeatNanoseconds = interception == nil ? 250_000_000 : 100_000_000
        gatherNanoseconds = configuration.gatherMax.nanoseconds
        interceptionPorts = InterceptionPorts(
            outbound: interception?.outboundPort ?? 0, inbound: interception?.inboundPort ?? 0)
        descriptorsEnd = ProcessLimits.descriptorsEnd
        self.connectionsMax = connectionsMax
        self.options = options
    }

    /// The id of the protected host in a packet's mark; 0: none.
    func hostID(inMark mark: UInt32) -> UInt32 {
        hostMarkMask == 0 ? 0 : (mark & hostMarkMask) >> UInt32(hostMarkMask.trailingZeroBitCount)
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
