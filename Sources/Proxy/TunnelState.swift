import Model
import Synchronization
import Syscalls
import Upstream

/// All user-space state of a live connection, as one generation of the process tells it to the next. Slots mean nothing
/// outside of a process, so things go by their names. The kernel's part travels as the two descriptors.
///
/// Times are CLOCK_MONOTONIC nanoseconds, which all processes of a host share. New fields are optional: a process
/// ignores what it does not know, and does without what an older one did not say.
public struct TunnelState: Codable, Sendable, Equatable {
    /// One direction.
    public struct Direction: Codable, Sendable, Equatable {
        /// Taken from the source so far.
        public var bytes: Int
        /// Held for a slow sink: so many bytes follow the description.
        public var pending: Int
        /// See `Flow`.
        public var readToEnd, sourceEnded, finished: Bool
        /// The source's receive window has been made small.
        public var isClamped: Bool?
    }

    /// `IP:PORT`.
    public var client, originalDestination, endpoint, source: String
    /// `ConnectionDirection`.
    public var direction: UInt8
    /// The client's pod and the receiver's, by `TunnelNames`; nil: not a pod of this host.
    public var pod, destinationPod: String?
    /// The protected host on whose behalf it is; nil: this one.
    public var host: String?
    /// Which of the two it takes a place of, under their limits.
    public var countsForPod, countsForDestinationPod: Bool
    /// By name.
    public var listener, cluster: String
    /// As in `ConnectionRecord` and `Tunnel`, nanoseconds.
    public var startedWall, started, lastActivity, connect, idleTimeout: Int64
    /// Connect attempts made.
    public var attempts: UInt8
    /// Client to upstream, and back.
    public var up, down: Direction
    /// See `Tunnel`, nanoseconds.
    public var halfOpenSince: Int64?
    /// Who sent FIN first, `ConnectionRecord.Side`.
    public var firstToEnd: UInt8?
    /// The source port is one of `sourcePorts`.
    public var holdsPort: Bool
    /// A transport has reported an error.
    public var downstreamBroken, upstreamBroken: Bool
    /// Nobody has spoken yet: `Detection`; nil: that does not matter.
    public var detection: UInt8?
    /// What it turned out to speak, `SpokenProtocol`.
    public var spoken: UInt8?
}

extension TunnelState {
    /// nil: its pods, cluster or listener have no name any more; it ends here.
    init?(_ detached: borrowing DetachedTunnel, _ names: TunnelNames) {
        let (record, admission) = (detached.tunnel.record, detached.tunnel.admission)
        guard let listener = names.name(.listener, record.listener), let cluster = names.name(.cluster, record.cluster)
        else { return nil }
        pod = names.name(.pod, record.pod)
        destinationPod = names.name(.pod, record.destinationPod)
        guard (record.pod < 0) == (pod == nil), (record.destinationPod < 0) == (destinationPod == nil) else {
            return nil
        }
        host = names.host(record.host)
        guard (record.host == 0) == (host == nil) else { return nil }
        (self.listener, self.cluster) = (listener, cluster)
        client = record.client.description
        originalDestination = record.originalDestination.description
        endpoint = record.endpoint.description
        source = record.source.description
        direction = record.direction.rawValue
        countsForPod = admission.pod >= 0
        countsForDestinationPod = admission.destinationPod >= 0
        (startedWall, connect) = (record.startedWallNanoseconds, record.connectNanoseconds)
        (started, lastActivity) = (detached.tunnel.startedAt, detached.tunnel.lastActivity)
        idleTimeout = detached.tunnel.idleTimeout
        attempts = record.attempts
        up = Direction(detached.tunnel.up)
        down = Direction(detached.tunnel.down)
        halfOpenSince = detached.tunnel.halfOpenSince
        firstToEnd = detached.tunnel.firstToEnd?.rawValue
        holdsPort = detached.holdsPort
        (downstreamBroken, upstreamBroken) = (detached.tunnel.downstreamBroken, detached.tunnel.upstreamBroken)
        let isUndecided = detached.tunnel.plan.detection != .none
        detection = isUndecided ? detached.tunnel.plan.detection.rawValue : nil
        spoken = record.spoken?.rawValue
    }
}

extension TunnelState.Direction {
    init(_ flow: borrowing Flow) {
        bytes = flow.bytes
        pending = flow.bufferedBytes
        readToEnd = flow.readToEnd
        sourceEnded = flow.sourceEnded
        finished = flow.finished
        isClamped = flow.hold.isClamped
    }
}

/// A connection taken over: the two descriptors, and what is pending each way.
public struct TunnelContent: ~Copyable {
    let downstream, upstream: Descriptor
    let upPending, downPending: ArraySlice<UInt8>

    /// The content that belongs to a `TunnelState`.
    public init(
        downstream: consuming Descriptor, upstream: consuming Descriptor, upPending: ArraySlice<UInt8>,
        downPending: ArraySlice<UInt8>
    ) {
        self.downstream = downstream
        self.upstream = upstream
        self.upPending = upPending
        self.downPending = downPending
    }
}

/// Why a connection is not taken over: it stays where it is.
public enum TunnelRefusal: Error, CustomStringConvertible {
    /// Not known here.
    case unknown(String)
    /// The description makes no sense.
    case malformed(String)

    /// `pod shop/cart: not in this configuration`.
    public var description: String {
        switch self {
        case .unknown(let what): "\(what): not in this configuration"
        case .malformed(let what): "\(what): cannot be read"
        }
    }
}

extension TunnelState {
    /// Checks what can be checked before the connection changes hands.
    package func check(_ names: TunnelNames) throws(TunnelRefusal) { _ = try judge(names) }

    func judge(_ names: TunnelNames) throws(TunnelRefusal) -> (ConnectionRecord, Admission) {
        var record = ConnectionRecord()
        guard let direction = ConnectionDirection(rawValue: direction) else { throw .malformed("direction") }
        record.direction = direction
        record.startedWallNanoseconds = startedWall
        record.connectNanoseconds = connect
        record.attempts = attempts
        record.client = try Self.address(client)
        record.originalDestination = try Self.address(originalDestination)
        record.endpoint = try Self.address(endpoint)
        record.source = try Self.address(source)
        record.pod = try Self.slot(.pod, pod, names)
        record.destinationPod = try Self.slot(.pod, destinationPod, names)
        record.host = try Self.host(host, names)
        record.cluster = try Self.slot(.cluster, cluster, names)
        record.listener = try Self.slot(.listener, listener, names)
        record.generation = names.generation
        // What this process does not know of is nothing that matters to it.
        record.spoken = spoken.flatMap(SpokenProtocol.init(rawValue:))
        guard up.isPlausible, down.isPlausible else { throw .malformed("buffered bytes") }
        guard areTimesPlausible else { throw .malformed("times") }
        return (record, admission(record))
    }

    /// Far from where sums of them would overflow.
    private var areTimesPlausible: Bool {
        [startedWall, started, lastActivity, connect, idleTimeout, halfOpenSince ?? 0].allSatisfy {
            (0...Int64.max / 4).contains($0)
        }
    }

    private func admission(_ record: ConnectionRecord) -> Admission {
        var admission = Admission()
        admission.isCounted = true
        admission.cluster = Int(record.cluster)
        if countsForPod { admission.pod = Int(record.pod) }
        if countsForDestinationPod { admission.destinationPod = Int(record.destinationPod) }
        return admission
    }

    private static func address(_ text: String) throws(TunnelRefusal) -> SocketAddress {
        guard let address = SocketAddress(text) else { throw .malformed("address \(text)") }
        return address
    }

    private static func host(_ name: String?, _ names: TunnelNames) throws(TunnelRefusal) -> UInt16 {
        guard let name else { return 0 }
        guard let id = names.slot(.host, name) else { throw .unknown("protected host \(name)") }
        return UInt16(truncatingIfNeeded: id)
    }

    private static func slot(
        _ kind: SlotNames.Kind, _ name: String?, _ names: TunnelNames
    ) throws(TunnelRefusal) -> Int32 {
        guard let name else { return -1 }
        guard let slot = names.slot(kind, name) else { throw .unknown("\(kind) \(name)") }
        return Int32(slot)
    }
}

extension TunnelState.Direction {
    var isPlausible: Bool {
        (0...Int.max / 4).contains(bytes) && (0...Flow.pendingMax).contains(pending) && (sourceEnded || !finished)
    }
}
