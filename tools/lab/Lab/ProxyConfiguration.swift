import Model

/// One lab host's configuration file: the parts every host needs, and tables in the file's own notation.
public struct ProxyConfiguration: Sendable {
    /// Whose.
    public var host: HostName
    /// `local` or `remote`.
    public var mode = "local"
    /// Hosts whose pods it lists; nil: its own.
    public var podHosts: [HostName]?
    /// Data-plane threads.
    public var workers = 2
    /// What happens to new connections when nobody listens, in order.
    public var policy = "direct"
    /// Further keys of `failover`, each as `remotes: []`.
    public var failover: [String] = []
    /// Source ports of upstream connections; nil: the default.
    public var sourcePorts: String? = "10240-19999"
    /// How long SIGTERM waits for connections.
    public var drainTimeout = "5s"
    /// Outbound entries by pod, each one YAML flow mapping: `{match: {ports: [25]}, deny: true}`.
    public var outbound: [PodName: [String]] = [:]
    /// Inbound entries by pod.
    public var inbound: [PodName: [String]] = [:]
    /// A pod's limits: `{connections: 10}`.
    public var limits: [PodName: String] = [:]
    /// A pod's UID.
    public var uids: [PodName: String] = [:]
    /// Pods beside the lab's own, each one YAML flow mapping.
    public var pods: [String] = []
    /// Clusters, each one YAML flow mapping.
    public var clusters: [String] = []
    /// Route tables, each one YAML flow mapping.
    public var routes: [String] = []
    /// Further keys of `interception`, each as `excludeCIDRs: [10.1.0.12]`.
    public var interception: [String] = []
    /// Further top-level text, as `passthrough: {connectTimeout: 300ms}`.
    public var extra = ""

    /// A configuration without tables: everything goes to its original destination.
    public init(_ host: HostName) { self.host = host }

    /// A pod's name in the configuration.
    public static func name(of pod: PodName) -> String { "shop/\(pod.description.lowercased())" }

    /// The file's text.
    public func text(accessLog: String) -> String {
        """
        version: 1
        node: {name: \(Self.node(host)), mode: \(mode)}
        workers: \(workers)
        drainTimeout: \(drainTimeout)
        admin: {address: 127.0.0.1, port: \(Self.adminPort)}
        accessLog: {path: \(accessLog), format: json}
        interception:
          podCIDRs: [\(mode == "remote" ? "" : host.podCIDRs.joined(separator: ", "))]\(interceptionText)
        failover:
          policy: [\(policy)]\(failover.map { "\n  " + $0 }.joined())
        pods:
        \((podHosts ?? [host]).flatMap(\.pods).map(pod).joined(separator: "\n"))\(pods.map { "\n  - \($0)" }.joined())
        clusters: \(list(clusters, indent: "  "))
        routes: \(list(routes, indent: "  "))
        \(extra)

        """
    }

    private var interceptionText: String {
        ((sourcePorts.map { ["sourcePorts: \($0)"] } ?? []) + interception).map { "\n  " + $0 }.joined()
    }

    /// A host's name in the configuration.
    public static func node(_ host: HostName) -> String { "node-\(host.description.lowercased())" }

    static let adminPort: UInt16 = 15000

    private func pod(_ pod: PodName) -> String {
        var lines = ["  - name: \(Self.name(of: pod))", "    addresses: [\(pod.v4), \"\(pod.v6)\"]"]
        lines.append("    outbound: \(list(outbound[pod] ?? [], indent: "      "))")
        lines.append("    inbound: \(list(inbound[pod] ?? [], indent: "      "))")
        if pod.host != host { lines.append("    node: \(Self.node(pod.host))") }
        if let uid = uids[pod] { lines.append("    uid: \(uid)") }
        if let limits = limits[pod] { lines.append("    limits: \(limits)") }
        return lines.joined(separator: "\n")
    }

    private func list(_ entries: [String], indent: String) -> String {
        entries.isEmpty ? "[]" : entries.map { "\n\(indent)- \($0)" }.joined()
    }
}
