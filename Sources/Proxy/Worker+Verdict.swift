import Model

/// What the tables in force say, and nothing else: no limit is asked, nothing is counted.
extension Worker {
    /// What becomes of a connection to an explicit listener.
    func verdict(listener slot: Int) -> Verdict {
        guard let index = snapshot.listener(slot: slot) else { return .refuse(.internalError) }
        let listener = snapshot.listeners[index]
        // Where there are routes only, there is no place for bytes: they get HTTP's answer.
        guard listener.http < 0 || listener.cluster != Snapshot.passthroughCluster else {
            return .http(Int(listener.http))
        }
        return verdict(listener.protocolKind, http: listener.http, cluster: listener.cluster)
    }

    private func verdict(_ kind: Configuration.TrafficProtocol, http: Int32, cluster: Int) -> Verdict {
        switch kind {
        case .tls: .tls(cluster: cluster)
        case .auto where http >= 0: .detect(http: Int(http), cluster: cluster)
        default: http >= 0 ? .http(Int(http)) : .forward(cluster: cluster)
        }
    }

    /// What the tables in force say of a connection that has been admitted already.
    func verdictAgain(_ record: ConnectionRecord) -> Verdict {
        switch record.direction {
        case .listener: return verdict(listener: Int(record.listener))
        case .outbound:
            guard let pod = snapshot.pod(at: record.client.address, host: record.host) else {
                return .forward(cluster: Snapshot.passthroughCluster)
            }
            return outboundVerdict(pod: pod, record.originalDestination)
        case .inbound: return verdictAgain(record, ofReceiverAt: record.originalDestination)
        }
    }

    /// What the table of the pod at `address` says of it now.
    func verdictAgain(_ record: ConnectionRecord, ofReceiverAt address: SocketAddress) -> Verdict {
        guard let pod = snapshot.pod(at: address.address, host: record.host) else {
            return .forward(cluster: Snapshot.passthroughCluster)
        }
        return inboundVerdict(pod: pod, client: record.client.address, port: address.port)
    }

    func outboundVerdict(pod: Int, _ destination: SocketAddress) -> Verdict {
        guard let entry = snapshot.outboundEntry(pod: pod, destination: destination) else {
            return .forward(cluster: Snapshot.passthroughCluster)
        }
        return verdict(snapshot.entries[entry], denied: .deniedOutbound)
    }

    func inboundVerdict(pod: Int, client: IPAddress, port: UInt16) -> Verdict {
        let entry = snapshot.inboundEntry(pod: pod, client: client, port: port)
        guard let entry else { return .forward(cluster: Snapshot.passthroughCluster) }
        return verdict(snapshot.entries[entry], denied: .deniedInbound)
    }

    private func verdict(_ entry: EntryRecord, denied: EndReason) -> Verdict {
        switch entry.action {
        case .deny: .refuse(denied)
        case .cluster(let cluster): verdict(entry.protocolKind, http: entry.http, cluster: cluster)
        }
    }
}
