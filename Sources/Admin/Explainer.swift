import Model

/// Builds an `Explanation`: the data plane's decisions in the data plane's order, with the reasons kept.
struct Explainer {
    let snapshot: Snapshot
    let shared: SharedState?
    let source: IPAddress
    /// The protected host at whose proxy's place the question is asked; 0: at this one's own.
    let host: UInt16
    let destination: SocketAddress
    /// What workers remember of the destination.
    let learned: [LearnedProtocol]
    /// Whether the question says what is sent.
    let isAboutARequest: Bool
    /// nil: no HTTP is spoken anywhere.
    let walk: RequestWalk?

    private var interception: Configuration.Interception? { snapshot.configuration.interception }

    /// The address behind `from`. A pod with addresses of both families speaks the destination's.
    static func source(
        _ from: String, destination: IPAddress, _ snapshot: Snapshot
    ) throws(Explanation.BadQuestion) -> IPAddress {
        if let address = IPAddress(from) { return address }
        let pods = snapshot.configuration.pods.filter { $0.name == from }
        guard let pod = pods.first(where: { $0.host == 0 }) ?? pods.first else {
            throw Explanation.BadQuestion(
                description: "from: \(from): neither an IP address nor a pod of this host or of one it protects")
        }
        if pod.host != 0, pods.count > 1 {
            throw Explanation.BadQuestion(
                description: "from: \(from): a pod of \(pods.count) protected hosts: give its address")
        }
        let sameFamily = pod.addresses.first { $0.family == destination.family }
        guard let address = sameFamily ?? pod.addresses.first else {
            throw Explanation.BadQuestion(description: "from: \(from): the pod has no address")
        }
        return address
    }

    /// At whose proxy's place the connection arrives: that of the client's host, else of the receiving pod's. A client
    /// of this host meets this proxy's rules first.
    static func host(_ source: IPAddress, destination: IPAddress, _ snapshot: Snapshot) -> UInt16 {
        if snapshot.pod(at: source) != nil { return 0 }
        let host = snapshot.host(of: source)
        return host == 0 && snapshot.pod(at: destination) == nil ? snapshot.host(of: destination) : host
    }

    /// The protected host's name.
    private var node: String? { snapshot.node(ofHost: host) }

    func explanation() -> Explanation {
        var draft = Explanation(
            leg: "none", from: party(source, source.description),
            to: party(destination.address, destination.description), endpoints: [], limits: [],
            outcome: .notIntercepted, verdict: "", notes: [])
        let clientPod = snapshot.pod(at: source, host: host)
        if interception != nil, let clientPod {
            explainOutbound(clientPod, &draft)
        } else if interception != nil, let pod = snapshot.pod(at: destination.address, host: host) {
            explainInbound(pod, &draft)
        } else if let listener = explicitListener() {
            explain(listener, &draft)
        } else if interception == nil {
            draft.verdict = "not intercepted: there is no interception, and no listener has this address"
        } else {
            draft.verdict = "not intercepted: neither end is a pod of this host"
        }
        if let node {
            draft.notes.append("on behalf of \(node), while its own proxy is away: all of it goes through its tunnel")
        }
        return draft
    }

    private func party(_ address: IPAddress, _ text: String) -> Explanation.Party {
        guard let index = snapshot.pod(at: address, host: host) else {
            let outside = node.map { "not a pod of \($0)" } ?? "outside podCIDRs: not a pod of this host"
            let why = interception == nil ? "no pod has this address" : outside
            return Explanation.Party(address: text, why: why)
        }
        let why = snapshot.isUnknown(pod: index) ? "inside podCIDRs, no pod has it: podDefaults" : "the pod's address"
        return Explanation.Party(
            address: text, pod: snapshot.podName(index), why: why + (node.map { ", on \($0)" } ?? ""))
    }

    // MARK: legs

    private func explainOutbound(_ pod: Int, _ draft: inout Explanation) {
        if let cause = exclusion(ports: interception?.excludeOutboundPorts, "excludeOutboundPorts") {
            draft.verdict = cause
            return
        }
        draft.leg = "outbound"
        if snapshot.pod(at: destination.address, host: host) == nil {
            draft.notes.append("if \(destination.address) is one of this host's own addresses, it is not intercepted")
        }
        let index = snapshot.outboundEntry(pod: pod, destination: destination)
        let isOwn = snapshot.podConfiguration(pod)?.tables.outbound != nil
        let table = table("outbound", pod, snapshot.pods[pod].outbound, index, isOwn: isOwn)
        draft.table = table
        draft.limits.append(podLimit(pod))
        conclude(index, table, clientPod: pod, leg: .outbound, &draft)
    }

    private func explainInbound(_ pod: Int, _ draft: inout Explanation) {
        if let cause = exclusion(ports: interception?.excludeInboundPorts, "excludeInboundPorts") {
            draft.verdict = cause
            return
        }
        draft.leg = "inbound"
        let index = snapshot.inboundEntry(pod: pod, client: source, port: destination.port)
        let table = inboundTable(pod, index)
        draft.table = table
        draft.limits.append(podLimit(pod))
        conclude(index, table, clientPod: nil, leg: .inbound, &draft)
    }

    private func explain(_ listener: Int, _ draft: inout Explanation) {
        let record = snapshot.listeners[listener]
        let name = snapshot.configuration.listeners.first { $0.address == record.address }?.name ?? ""
        draft.leg = "listener \(name)"
        if record.protocolKind == .auto, record.cluster != Snapshot.passthroughCluster {
            explainDetection(
                http: Int(record.http), cluster: record.cluster, draft.leg, clientPod: nil, leg: .listener, &draft)
        } else if record.http >= 0 {
            explainRequest(Int(record.http), draft.leg, clientPod: nil, leg: .listener, &draft)
        } else {
            noteBytes(&draft)
            route(to: record.cluster, clientPod: nil, leg: .listener, &draft)
        }
    }

    private func explicitListener() -> Int? {
        snapshot.listeners.indices.first { index in
            let address = snapshot.listeners[index].address
            guard address.port == destination.port else { return false }
            // A wildcard socket also has this host's addresses, which are not known here: take the family's word.
            return address.address == destination.address
                || (address.address.isUnspecified && (!address.address.isV4 || destination.address.isV4))
        }
    }

    private func exclusion(ports: [PortRange]?, _ name: String) -> String? {
        if let cidr = interception?.excludeCIDRs.first(where: { $0.contains(destination.address) }) {
            return "not intercepted: excludeCIDRs has \(cidr)"
        }
        if let range = ports?.first(where: { $0.contains(destination.port) }) {
            return "not intercepted: \(name) has \(range)"
        }
        return nil
    }

    // MARK: tables

    func inboundTable(_ pod: Int, _ index: Int?) -> Explanation.Table {
        let isOwn = snapshot.podConfiguration(pod)?.tables.inbound != nil
        return table("inbound", pod, snapshot.pods[pod].inbound, index, isOwn: isOwn)
    }

    private func table(
        _ direction: String, _ pod: Int, _ range: IndexRange, _ index: Int?, isOwn: Bool
    ) -> Explanation.Table {
        let owner = isOwn ? "pod \(snapshot.podName(pod))" : "podDefaults"
        guard let index else {
            return Explanation.Table(table: "\(direction) of \(owner)", action: "passthrough")
        }
        let words = snapshot.words(snapshot.entries[index])
        return Explanation.Table(
            table: "\(direction) of \(owner)", entry: index - range.indices.lowerBound, match: words.match,
            action: words.action)
    }

    private func conclude(
        _ entry: Int?, _ table: Explanation.Table, clientPod: Int?, leg: ConnectionDirection,
        _ draft: inout Explanation
    ) {
        if let entry, snapshot.entries[entry].protocolKind == .auto,
            case .cluster(let cluster) = snapshot.entries[entry].action
        {
            return explainDetection(
                http: Int(snapshot.entries[entry].http), cluster: cluster, table.table, clientPod: clientPod, leg: leg,
                &draft)
        }
        if let entry, snapshot.entries[entry].http >= 0 {
            return explainRequest(
                Int(snapshot.entries[entry].http), table.table, clientPod: clientPod, leg: leg, &draft)
        }
        noteBytes(&draft)
        switch entry.map({ snapshot.entries[$0].action }) ?? .cluster(Snapshot.passthroughCluster) {
        case .deny:
            draft.outcome = .reset
            draft.verdict = "reset: entry \(table.entry ?? 0) of \(table.table) denies it"
        case .cluster(let cluster): route(to: cluster, clientPod: clientPod, leg: leg, &draft)
        }
    }

    func podLimit(_ pod: Int) -> Explanation.Limit {
        let record = snapshot.pods[pod]
        return Explanation.Limit(
            name: "connections of pod \(snapshot.podName(pod))", used: shared?.podConnections.load(record.slot),
            max: record.connectionsMax)
    }
}
