/// A protected host as workers see it.
public struct HostRecord: Sendable, BitwiseCopyable {
    /// Its number in packet marks here, 1...65535, and the slot of its counters.
    public let id: Int
    /// Of upstream sockets on its behalf: the rules send what carries it back into the host's tunnel.
    public let mark: UInt32
    /// The index of its pod `unknown`.
    public let unknownPod: Int
    /// Its pods' prefixes, in `Snapshot.cidrs`.
    let cidrs: IndexRange
}

extension SnapshotView {
    /// The protected host with this id; nil when there is none (0 is this host itself).
    public func host(id: UInt16) -> HostRecord? {
        guard Int(id) < hostByID.count, hostByID[Int(id)] >= 0 else { return nil }
        return hosts[Int(hostByID[Int(id)])]
    }

    /// The pod of a host (0: this one) that has `address`: an index into `pods`, the host's `unknown` for an unlisted
    /// one, nil when it is no pod of that host. What another host's pod has is not looked at: what is sent to it meets
    /// that host's own rules.
    public func pod(at address: IPAddress, host: UInt16) -> Int? {
        guard host != 0 else { return pod(at: address) }
        guard let record = self.host(id: host) else { return nil }
        if let index = AddressIndex.number(of: address, in: podPlaces), pods[index].host == host { return index }
        return holds(record.cidrs, address) ? record.unknownPod : nil
    }

    /// Whether an address is a protected host's pod's.
    public func isProtected(_ address: IPAddress) -> Bool { hosts.indices.contains { holds(hosts[$0].cidrs, address) } }

    /// Whether a pod stands for addresses that no listed pod has.
    public func isUnknown(pod index: Int) -> Bool {
        index == Snapshot.unknownPod || self.host(id: pods[index].host)?.unknownPod == index
    }
}

extension Snapshot {
    /// See `SnapshotView`.
    public func pod(at address: IPAddress, host: UInt16) -> Int? {
        withExtendedLifetime(self) { view.pod(at: address, host: host) }
    }

    /// See `SnapshotView`.
    public func isUnknown(pod index: Int) -> Bool { withExtendedLifetime(self) { view.isUnknown(pod: index) } }

    /// The host whose pod has `address`: 0 for this one and for an address that is nobody's.
    public func host(of address: IPAddress) -> UInt16 {
        let ids = hosts.lazy.map { UInt16(truncatingIfNeeded: $0.id) }
        return ids.first { pod(at: address, host: $0) != nil } ?? 0
    }

    /// The `node` of a protected host; nil for this one.
    public func node(ofHost id: UInt16) -> String? {
        configuration.failover.protects.first { $0.id == Int(id) }?.node
    }
}

extension SnapshotCompiler {
    /// What `protects` says, with a pod `unknown` for each host. After the listed pods: those lie as in the configuration.
    mutating func addHosts(_ defaults: PodDefaults, to parts: inout Parts) throws(TooMany) {
        let failover = parts.configuration.failover
        let mark = parts.configuration.interception?.mark ?? Configuration.MarkField()
        for host in failover.protects {
            let pod = Configuration.Pod(name: SlotNames.unknownPod, addresses: [], host: host.id)
            let unknown = parts.pods.count
            try addPod(pod, isUnknown: true, defaults, to: &parts)
            let first = parts.cidrs.count
            parts.cidrs += host.podCIDRs
            parts.hosts.append(
                HostRecord(
                    id: host.id, mark: failover.hostMark(host) | mark.mark(1), unknownPod: unknown,
                    cidrs: IndexRange(first..<parts.cidrs.count)))
            guard names.name(.host, host.id) != host.node else { continue }
            parts.freshSlots.hosts.append(host.id)
            names.set(.host, host.id, host.node)
        }
    }
}
