import Model

extension Metrics {
    /// Protected hosts, by the name of their node. Their pods' connections count for the pods, too.
    mutating func addHosts() {
        guard !hosts.isEmpty else { return }
        text.family(
            "apus_protected_connections_total", .counter,
            "Connections out of the tunnel of a host this one stands in for.")
        for host in hosts { text.sample(sum(host, .connections), ["host": host.name]) }
        text.family("apus_protected_connections_active", .gauge, "Those that are live.")
        for host in hosts { text.sample(sum(host, .connectionsActive), ["host": host.name]) }
        text.family("apus_protected_bytes_total", .counter, "Payload bytes sent and received by their clients.")
        for host in hosts {
            text.sample(sum(host, .bytesSent), ["host": host.name, "direction": PayloadDirection.sent.rawValue])
            text.sample(
                sum(host, .bytesReceived), ["host": host.name, "direction": PayloadDirection.received.rawValue])
        }
        text.family("apus_protected_resets_total", .counter, "Those that did not end in order, by reason.")
        for host in hosts {
            for reason in EndReason.resets {
                let count = sum(host, \.hosts, HostCounter.column(reason))
                if count != 0 { text.sample(count, ["host": host.name, "reason": reason.label]) }
            }
        }
        text.family(
            "apus_protected_own_source_total", .counter,
            "Upstream connections on the host's behalf that could not have a pod's address, by the way they took.")
        for host in hosts {
            text.sample(sum(host, .ownSourceInside), ["host": host.name, "path": "tunnel"])
            text.sample(sum(host, .ownSourceOutside), ["host": host.name, "path": "direct"])
        }
    }

    private func sum(_ host: MetricSeries, _ counter: HostCounter) -> Int { sum(host, \.hosts, counter.rawValue) }
}
