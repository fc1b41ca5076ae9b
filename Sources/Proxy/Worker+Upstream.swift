import Model
import Syscalls
import Upstream

/// Why no connection to an endpoint could be started.
enum ConnectFailure: Error {
    /// The endpoint cannot be reached: another one may.
    case refused(Errno)
    /// No free source port towards it.
    case portsExhausted
    /// The process is out of descriptors or memory.
    case shortage
    /// The kernel refuses an option: a missing privilege, our bug.
    case forbidden(Errno)

    var reason: EndReason {
        switch self {
        case .refused: .connectFailed
        case .portsExhausted: .sourcePortsExhausted
        case .shortage: .nodeLimit
        case .forbidden: .internalError
        }
    }
}

extension Worker {
    /// Source ports tried for one connection before the range counts as exhausted. The ledger proposes ports it knows
    /// nothing against, so a clash means another process (or worker) sits on it: rare, and remembered.
    private static let portTriesMax = 64

    /// A socket whose handshake with `endpoint` is under way, from the address that `preserveSource` asks for.
    mutating func openUpstream(
        to endpoint: SocketAddress, _ plan: inout ConnectPlan, _ record: inout ConnectionRecord
    ) throws(ConnectFailure) -> Socket {
        switch source(for: endpoint, client: record.client.address, record.direction, host: record.host) {
        case .own(let reason):
            record.source = SocketAddress(.anyV4, 0)
            count(reason, record)
            let mark = ownSourceMark(record, to: endpoint)
            let socket = try newSocket(to: endpoint, mark: mark)
            if record.host != 0, mark != context.settings.upstreamMark { try makeTransparent(socket, for: endpoint) }
            try start(socket, to: endpoint)
            return socket
        case .spoofed(let address): return try openSpoofed(from: address, to: endpoint, &plan, &record)
        }
    }

    func source(
        for endpoint: SocketAddress, client: IPAddress, _ direction: ConnectionDirection, host: UInt16
    ) -> UpstreamSource {
        // Of a protected host's connections only the pod's address finds its way back through the tunnel.
        let preserve = snapshot.preservesSource || host != 0
        let pod = direction == .outbound ? snapshot.pod(at: client, host: host) : nil
        // Two unlisted addresses are both the pod `unknown`, but not the same pod.
        let isSamePod =
            pod.map {
                !snapshot.isUnknown(pod: $0) && snapshot.pod(at: endpoint.address, host: host) == $0
            } ?? false
        return UpstreamSource.decide(
            client: client, pod: pod.map { snapshot.pods[$0] }, endpoint: endpoint.address, isSamePod: isSamePod,
            preserve: preserve && direction != .listener)
    }

    private func count(_ reason: UpstreamSource.Reason, _ record: ConnectionRecord) {
        guard let counter = reason.counter else { return }
        let pod = record.pod >= 0 ? record.pod : record.destinationPod
        if pod >= 0 { countPod(Int(pod), counter) }
    }

    private mutating func openSpoofed(
        from source: IPAddress, to endpoint: SocketAddress, _ plan: inout ConnectPlan, _ record: inout ConnectionRecord
    ) throws(ConnectFailure) -> Socket {
        for _ in 0..<Self.portTriesMax {
            guard let lease = ports.lease(SourcePorts.Leg(record), source: source, destination: endpoint, now: now)
            else { throw .portsExhausted }
            // Given back by whoever gives up on the plan, whatever is thrown from here on.
            plan.lease = lease
            record.source = SocketAddress(source, lease.port)
            let socket = try newSocket(to: endpoint, mark: upstreamMark(record))
            do throws(Errno) {
                try socket.set(.transparent(source.family))
                // A port in TIME_WAIT, or used towards another peer, may be bound; connect finds real clashes.
                try socket.set(.reuseAddress)
                try socket.bind(to: record.source)
                try socket.connect(to: endpoint)
                return socket
            } catch {
                guard error == .addressInUse || error == .addressNotAvailable else { throw classify(error) }
            }
            clashed(&plan, record)
        }
        throw .portsExhausted
    }

    private mutating func clashed(_ plan: inout ConnectPlan, _ record: ConnectionRecord) {
        guard let lease = plan.lease else { return }
        plan.lease = nil
        ports.clashed(SourcePorts.Leg(record), lease, now: now)
        let pod = record.pod >= 0 ? record.pod : record.destinationPod
        if pod >= 0 { countPod(Int(pod), .sourcePortClashes) }
    }

    private func newSocket(to endpoint: SocketAddress, mark: UInt32?) throws(ConnectFailure) -> Socket {
        do throws(Errno) {
            let socket = try Socket(family: endpoint.address.family)
            guard socket.descriptor.number < context.settings.descriptorsEnd else { throw .processDescriptors }
            if let mark { try socket.set(.mark(mark)) }
            try context.settings.options.apply(to: socket)
            return socket
        } catch {
            throw classify(error)
        }
    }

    /// The rules let out of a tunnel, beside new connections, what a transparent socket waits for.
    private func makeTransparent(_ socket: borrowing Socket, for endpoint: SocketAddress) throws(ConnectFailure) {
        do throws(Errno) { try socket.set(.transparent(endpoint.address.family)) } catch { throw classify(error) }
    }

    private func start(_ socket: borrowing Socket, to endpoint: SocketAddress) throws(ConnectFailure) {
        do throws(Errno) { try socket.connect(to: endpoint) } catch { throw classify(error) }
    }

    private func classify(_ error: Errno) -> ConnectFailure {
        if error.isResourceShortage { return .shortage }
        // From the host's own address this is the kernel's ephemeral range.
        if error == .addressNotAvailable { return .portsExhausted }
        return error == .notPermitted || error == .accessDenied ? .forbidden(error) : .refused(error)
    }
}

extension UpstreamSource.Reason {
    /// nil: nothing to remark on.
    var counter: PodCounter? {
        switch self {
        case .notAsked: nil
        case .hairpin: .sourceHairpin
        case .noFamily: .sourceNoFamily
        }
    }
}
