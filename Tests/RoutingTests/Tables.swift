import HTTP
import Model
import Routing
import Testing

/// Route tables out of a configuration, and requests for them.
struct Tables {
    let snapshot: Snapshot
    let tables: RouteTables
    var view: RouteView { tables.view }

    init(_ configuration: Configuration) throws {
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        tables = RouteTables(snapshot)
    }

    /// One table of virtual hosts, with the clusters `a`, `b` and `c`.
    init(_ virtualHosts: [Configuration.VirtualHost]) throws {
        try self.init(
            Configuration(
                routes: [Configuration.RouteTable(name: "t", virtualHosts: virtualHosts)],
                clusters: ["a", "b", "c"].map { Configuration.Cluster(name: $0, discovery: .endpoints([])) }))
    }

    /// One virtual host for every domain.
    init(rules: [Configuration.Rule]) throws {
        try self.init([Configuration.VirtualHost(domains: [.any], rules: rules)])
    }

    /// The index of the rule that a request meets.
    func find(_ head: borrowing MessageHead, table: Int = 0) -> Int? { view.find(table: table, head) }
}

extension Configuration.Rule {
    /// A rule that forwards to the cluster `a`.
    static func to(
        _ cluster: String = "a", _ path: Configuration.RequestMatch.Path? = nil, methods: [String] = [],
        headers: [Configuration.ValueMatch] = [], query: [Configuration.ValueMatch] = []
    ) -> Configuration.Rule {
        Configuration.Rule(
            match: Configuration.RequestMatch(path: path, methods: methods, headers: headers, query: query),
            action: .forward(Configuration.Forwarding(targets: [Configuration.Target(cluster: cluster)])))
    }
}

/// The head of a request.
func request(
    _ method: String = "GET", _ host: String? = "cart.shop", _ path: String = "/",
    headers: [(String, String)] = []
) -> MessageHead {
    var head = MessageHead()
    head.setMethod(Array(method.utf8).span)
    head.setPath(Array(path.utf8).span)
    if let host { head.setAuthority(Array(host.utf8).span) }
    for (name, value) in headers { head.append(Array(name.utf8).span, Array(value.utf8).span) }
    return head
}

/// A part of a head as text.
func text(_ head: borrowing MessageHead, _ range: ByteRange) -> String {
    let bytes = head.bytes(range)
    return String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
}
