import Model

/// Reads the document's root into a `Configuration`, section by section. Sections that others refer to come first.
///
/// A value that does not fit is reported and replaced by its default, so that reading goes on and every problem is
/// found; the result is used only when there was none.
struct ConfigurationReader {
    let problems: ProblemCollector
    var configuration = Configuration()
    var clusters = ClusterIndex()
    var routes = RouteIndex()
    /// What `failover.protects` says about this host itself: one file serves a fleet. `by` are its remotes' names.
    var ownHost: (host: Configuration.ProtectedHost, by: [String]?)?
    /// Whether there is an `interception` section, even one with problems.
    var hasInterception = false
    /// The places of addresses that the process binds.
    var bindings = BindingCheck()

    private static let keys = [
        "version", "node", "workers", "gatherMax", "drainTimeout", "admin", "accessLog", "statistics", "interception",
        "failover", "passthrough", "pods", "podDefaults", "limits", "listeners", "routes", "clusters",
    ]

    init(problems: ProblemCollector) { self.problems = problems }

    mutating func read(_ root: Value) -> Configuration {
        guard let fields = root.fields(Self.keys) else { return configuration }
        readVersion(fields)
        if let node = fields["node"] { configuration.node = readNode(node) }
        configuration.workers = fields["workers"]?.integer(1...256)
        if let gatherMax = fields["gatherMax"]?.duration(.zero...(.milliseconds(10))) {
            configuration.gatherMax = gatherMax
        }
        if let timeout = fields["drainTimeout"]?.duration(.zero...(.seconds(86400))) {
            configuration.drainTimeout = timeout
        }
        readAdmin(fields["admin"])
        configuration.accessLog = fields["accessLog"].flatMap(readAccessLog)
        if let statistics = fields["statistics"]?.fields(["seriesMax"]),
            let seriesMax = statistics["seriesMax"]?.integer(1...10_000_000)
        {
            configuration.statisticsSeriesMax = seriesMax
        }
        if let failover = fields["failover"] { readFailover(failover) }
        if let interception = fields["interception"] { readInterception(interception) }
        checkHosts(fields)
        if let passthrough = fields["passthrough"] { configuration.passthrough = readPassthrough(passthrough) }
        if let limits = fields["limits"] { readLimits(limits) }
        readClusters(fields["clusters"])
        readRoutes(fields["routes"])
        readListeners(fields["listeners"])
        readPods(fields["pods"], defaults: fields["podDefaults"])
        return configuration
    }

    private func readVersion(_ fields: Fields) {
        guard let value = fields.required("version", "1"), let text = value.scalar("1") else { return }
        if text != "1" { value.fail("is \"\(text.excerpt)\", expected 1: this build reads no other version") }
    }

    private func readNode(_ value: Value) -> Configuration.Node {
        var node = configuration.node
        guard let fields = value.fields(["name", "mode", "zone"]) else { return node }
        if let name = fields.required("name", "this host's name")?.name() { node.name = name }
        if let mode = fields["mode"]?.choice(Configuration.Node.Mode.self) { node.mode = mode }
        node.zone = fields["zone"]?.name()
        return node
    }

    private mutating func readAdmin(_ value: Value?) {
        if let value, let fields = value.fields(["address", "port"]) {
            if let address = fields["address"]?.address() { configuration.admin.address = address }
            if let port = fields["port"]?.port(0...65535) { configuration.admin.port = port }
        }
        bindings.admin = (configuration.admin, value)
    }

    private func readAccessLog(_ value: Value) -> Configuration.AccessLog? {
        guard let fields = value.fields(["path", "format"]) else { return nil }
        let format = fields["format"]?.choice(Configuration.AccessLog.Format.self)
        guard let path = fields.required("path", "a file's path, such as /dev/stdout")?.text("a file's path") else {
            return nil
        }
        return Configuration.AccessLog(path: path, format: format ?? .json)
    }

    private func readPassthrough(_ value: Value) -> Configuration.Passthrough {
        var passthrough = configuration.passthrough
        guard let fields = value.fields(["connectTimeout", "tunnelIdleTimeout"]) else { return passthrough }
        if let timeout = fields["connectTimeout"]?.duration() { passthrough.connectTimeout = timeout }
        if let timeout = fields["tunnelIdleTimeout"]?.duration(Value.idleTimeouts) {
            passthrough.tunnelIdleTimeout = timeout
        }
        return passthrough
    }
}
