import Lab
import Model

/// Traffic through the proxies and what each hop saw of it.
extension Demo {
    private struct Case {
        let title: String
        let target: SocketAddress
        let server: PodName
        /// The cluster host A's proxy must have picked from; nil for the original destination.
        let cluster: String?
    }

    private static var cases: [Case] {
        let port = WebServer.port
        return [
            Case(title: "other host", target: SocketAddress(PodName.b1.v4, port), server: .b1, cluster: nil),
            Case(title: "same host", target: SocketAddress(PodName.a2.v4, port), server: .a2, cluster: nil),
            Case(title: "IPv6, other host", target: SocketAddress(PodName.b1.v6, port), server: .b1, cluster: nil),
            Case(title: "IPv6, same host", target: SocketAddress(PodName.a2.v6, port), server: .a2, cluster: nil),
            Case(title: "ClusterIP", target: clusterIP, server: .b1, cluster: "web"),
        ]
    }

    static let hopHeader = [
        "curl from A1", "hop", "client", "original destination", "pod", "cluster", "connected to",
    ]

    func showTraffic() throws {
        report.heading("curl in A1: what each hop saw")
        var rows: [[String]] = []
        for item in Self.cases { rows += try observe(item) }
        report.table(Self.hopHeader, rows)
        try report.check(
            true, "every server saw A1's own address; every hop knew pod and original destination", saw: "")
    }

    /// One request; the rows of the table for it.
    private func observe(_ item: Case) throws -> [[String]] {
        let before = try (proxyA.accessLog().count, proxyB.accessLog().count)
        let answer = try get(item.target)
        let client = item.target.address.isV4 ? PodName.a1.v4 : PodName.a1.v6
        guard answer.server == "\(item.server)", answer.client == "\(client)" else {
            throw DemoReport.Failure(
                description: "\(item.title): expected \(item.server) to see \(client), but saw \(answer)")
        }
        let outbound = try hop(proxyA, after: before.0, "outbound", pod: .a1, client: client, target: item.target)
        if let cluster = item.cluster, outbound.cluster != cluster {
            throw DemoReport.Failure(description: "\(item.title): expected cluster \(cluster), but saw \(outbound)")
        }
        var rows = [row("\(item.title)", "apusd A, outbound", outbound)]
        if item.server.host == .b {
            let target = SocketAddress(
                item.target == Self.clusterIP ? item.server.v4 : item.target.address, WebServer.port)
            let inbound = try hop(proxyB, after: before.1, "inbound", pod: .b1, client: client, target: target)
            rows.append(row("", "apusd B, inbound", inbound))
        }
        rows.append(["", "nginx in \(answer.server)", answer.client, answer.dialled])
        return rows + [[]]
    }

    /// The log line of the connection that was just made, checked.
    func hop(
        _ proxy: ProxyHost, after count: Int, _ direction: String, pod: PodName, client: IPAddress,
        target: SocketAddress
    ) throws -> AccessRecord {
        let found = try eventually { try proxy.accessLog().dropFirst(count).last { $0.direction == direction } }
        guard let record = found else {
            throw DemoReport.Failure(description: "host \(proxy.host.name): no \(direction) line in the access log")
        }
        let known = direction == "outbound" ? record.pod : record.destinationPod
        guard known == ProxyConfiguration.name(of: pod), record.originalDestination == "\(target)",
            record.clientAddress == client, record.sourceAddress == client
        else {
            throw DemoReport.Failure(
                description:
                    "host \(proxy.host.name): expected \(direction) of \(pod) from \(client) to \(target), saw \(record)"
            )
        }
        return record
    }

    func row(_ title: String, _ hop: String, _ record: AccessRecord) -> [String] {
        let pods = [record.pod, record.destinationPod].compactMap(\.self).joined(separator: " -> ")
        return [
            title, hop, record.client ?? "?", record.originalDestination ?? "?", pods, record.cluster ?? "-",
            record.endpoint ?? "?",
        ]
    }

    /// curl in A1, required to work.
    func get(_ target: SocketAddress) throws -> WebServer.Answer {
        let result = try curl(target).required()
        guard let answer = WebServer.Answer(result.output) else { throw LabError("curl: \(result)") }
        return answer
    }

    /// curl in A1, whatever happens.
    func curl(_ target: SocketAddress) throws -> CommandResult {
        try lab[.a1].run(["curl", "-sS", "--max-time", "5", "http://\(target)/"])
    }
}
