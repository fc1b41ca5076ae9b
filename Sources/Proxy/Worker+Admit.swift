import EventLoop
import Model
import Syscalls
import Upstream

/// What the tables say about a connection.
enum Verdict {
    /// To this cluster's endpoint (index in the snapshot).
    case forward(cluster: Int)
    /// Its requests are read and routed (index into `SnapshotView.httpListeners`).
    case http(Int)
    /// Its first bytes decide: requests are routed (as with `http`), everything else goes to the cluster.
    case detect(http: Int, cluster: Int)
    /// To the cluster, if it begins as TLS does.
    case tls(cluster: Int)
    case refuse(EndReason)
}

extension Worker {
    /// A connection has been accepted. It is counted, and goes to a worker with fewer connections if there is one. Returns
    /// the slot of the pod that it is work for; -1: none, or not known here.
    mutating func welcome(
        _ socket: consuming Socket, from peer: SocketAddress, _ spec: ListenerSpec, staysHere: Bool
    ) -> Int {
        if spec.isTransparent, isProbe(socket, from: peer) {
            answerProbe(socket)
            return -1
        }
        let isCounted = context.shared.connections.take(at: 0, limit: context.settings.connectionsMax)
        guard isCounted, !staysHere, let other = lessLoadedWorker() else {
            return admit(socket, from: peer, spec, isCounted: isCounted)
        }
        count(.connectionsPassedOn)
        context.group.mailboxes[other].send(.admit(FreshConnection(socket, from: peer, spec)))
        return -1
    }

    /// Finds out whose it is, what its tables say, and connect on or reset it. Returns the slot of the pod that it is
    /// work for; -1: none.
    mutating func admit(
        _ socket: consuming Socket, from peer: SocketAddress, _ spec: ListenerSpec, isCounted: Bool
    ) -> Int {
        var record = ConnectionRecord()
        record.startedWallNanoseconds = Clock.wall()
        record.generation = snapshot.generation
        record.client = peer
        record.worker = UInt16(context.index)
        record.listener = Int32(spec.slot)
        record.direction = spec.direction
        record.originalDestination = spec.address
        var hasHost = true
        if spec.isTransparent {
            // The address the client dialled is the accepted socket's own.
            record.originalDestination = (try? socket.localAddress()) ?? spec.address
            hasHost = identifyHost(socket, &record)
        }
        context.statistics.listeners.add(1, slot: spec.slot, counter: ListenerCounter.connections.rawValue)

        var admission = Admission()
        admission.isCounted = isCounted
        if isCounted { count(.connectionsActive) }
        countHost(record.host, .connections)
        if isCounted { countHost(record.host, .connectionsActive) }
        let verdict = hasHost ? judge(&record, &admission, spec) : .refuse(.unknownHost)
        switch verdict {
        case .refuse(let reason): refuse(Transport(socket), record, admission, reason)
        case .forward(let cluster): connect(Transport(socket), record, admission, cluster: cluster)
        case .http(let settings): welcomeClient(Transport(socket), record, admission, settings: settings)
        case .detect, .tls: meet(Transport(socket), record, admission, verdict)
        }
        return Int(record.pod >= 0 ? record.pod : record.destinationPod)
    }

    private mutating func judge(
        _ record: inout ConnectionRecord, _ admission: inout Admission, _ spec: ListenerSpec
    ) -> Verdict {
        guard admission.isCounted else { return .refuse(.nodeLimit) }
        switch spec.direction {
        case .outbound: return judgeOutbound(&record, &admission)
        case .inbound: return judgeInbound(&record, &admission)
        case .listener:
            return verdict(listener: spec.slot)
        }
    }

    private func judgeOutbound(_ record: inout ConnectionRecord, _ admission: inout Admission) -> Verdict {
        let destination = record.originalDestination
        // The rules bring pods' connections only, but a host process can dial the listener itself.
        guard !isOwnListener(destination) else { return .refuse(.loop) }
        guard let pod = snapshot.pod(at: record.client.address, host: record.host) else {
            return passed(record, record.client.address)
        }
        let podRecord = snapshot.pods[pod]
        record.pod = Int32(podRecord.slot)
        countPod(podRecord.slot, .outboundConnections)
        guard context.shared.podConnections.take(at: podRecord.slot, limit: podRecord.connectionsMax) else {
            return .refuse(.podLimit)
        }
        admission.pod = podRecord.slot
        return outboundVerdict(pod: pod, destination)
    }

    private func judgeInbound(_ record: inout ConnectionRecord, _ admission: inout Admission) -> Verdict {
        guard !isOwnListener(record.originalDestination) else { return .refuse(.loop) }
        return judgeReceiver(of: record.originalDestination, &record, &admission)
            ?? passed(record, record.originalDestination.address)
    }

    /// What becomes of a connection without a pod. Of a protected host's pod it cannot be without that host's mark: on
    /// the way that it would take, nobody would ask the pod's tables.
    private func passed(_ record: ConnectionRecord, _ address: IPAddress) -> Verdict {
        record.host == 0 && snapshot.isProtected(address)
            ? .refuse(.unknownHost) : .forward(cluster: Snapshot.passthroughCluster)
    }

    /// What the table of the pod at `destination` says of the client, where that pod is of the same host; nil elsewhere.
    func judgeReceiver(
        of destination: SocketAddress, _ record: inout ConnectionRecord, _ admission: inout Admission
    ) -> Verdict? {
        guard let pod = snapshot.pod(at: destination.address, host: record.host) else { return nil }
        let podRecord = snapshot.pods[pod]
        record.destinationPod = Int32(podRecord.slot)
        countPod(podRecord.slot, .inboundConnections)
        // From `unknown` to `unknown`, or a pod to itself: one connection takes one place.
        let isCounted = admission.pod == podRecord.slot
        guard isCounted || context.shared.podConnections.take(at: podRecord.slot, limit: podRecord.connectionsMax)
        else {
            return .refuse(.podLimit)
        }
        if !isCounted { admission.destinationPod = podRecord.slot }
        return inboundVerdict(pod: pod, client: record.client.address, port: destination.port)
    }

    /// Whether connecting there would come back to this process.
    func isOwnListener(_ destination: SocketAddress) -> Bool {
        if context.settings.interceptionPorts.isListener(destination) { return true }
        guard snapshot.hasListener(port: destination.port) else { return false }
        return snapshot.listeners.indices.contains { index in
            let listener = snapshot.listeners[index]
            guard listener.address.port == destination.port else { return false }
            if listener.address == destination { return true }
            guard listener.address.address.isUnspecified,
                listener.address.address.family == destination.address.family
            else { return false }
            // Asked here only, where the port is suspect: system calls. An address of this host is its own source.
            return destination.address.isLoopback || Socket.source(towards: destination) == destination.address
        }
    }

    func countPod(_ slot: Int, _ counter: PodCounter, _ delta: Int = 1) {
        context.statistics.pods.add(delta, slot: slot, counter: counter.rawValue)
    }

    /// Ends a connection that has no upstream: a reset, because its client has been told it was established.
    mutating func refuse(
        _ downstream: consuming Transport, _ record: ConnectionRecord, _ admission: Admission, _ reason: EndReason
    ) {
        downstream.resetOnClose()
        var record = record
        record.durationNanoseconds = 0
        finish(record, admission, reason, by: .proxy)
    }
}
