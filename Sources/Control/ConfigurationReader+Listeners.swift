import Model

extension ConfigurationReader {
    /// What a table entry, a listener or a cluster may name. Only bytes passed on as they are work so far.
    static let protocols = ["tcp", "http1", "http2", "http", "tls", "auto", "bolt", "dubbo"]

    mutating func readListeners(_ value: Value?) {
        bindings.checkPorts()
        var names = NameIndex("listener")
        for item in value?.list("listeners") ?? [] {
            let known = [
                "name", "address", "protocol", "routes", "cluster", "requestId", "forwardedFor", "trustedHops",
            ]
            guard let fields = item.fields(known) else { continue }
            let name = names.declare(fields.required("name", "a name"))
            let addressValue = fields.required("address", "IP:PORT, such as 127.0.0.1:8080")
            let address = addressValue?.socketAddress(portMin: 0)
            if let address, let addressValue { bindings.add(address, addressValue) }
            checkHeaderFields(fields)
            let isTCP = checkProtocol(fields, isEffective: true)
            if let routes = fields["routes"] { checkRoutes(routes, isTCP: isTCP, isEffective: true) }
            let clusterValue = isTCP ? fields.required("cluster", "a cluster's name") : fields["cluster"]
            let cluster = clusterValue.flatMap { clusters.resolve($0, .listener) }
            guard let name, let address, let cluster else { continue }
            configuration.listeners.append(.init(name: name, address: address, cluster: cluster))
        }
    }

    /// Whether bytes are passed on as they are. Reports a protocol that would have to be decoded.
    func checkProtocol(_ fields: Fields, isEffective: Bool) -> Bool {
        guard let value = fields["protocol"] else { return fields["routes"] == nil }
        guard let name = value.choice(among: Self.protocols, offered: ["tcp"]) else { return false }
        if name != "tcp", isEffective { value.notInThisBuild("protocol \(name)", expected: "tcp") }
        return name == "tcp"
    }

    /// `routes` beside a protocol.
    func checkRoutes(_ value: Value, isTCP: Bool, isEffective: Bool) {
        guard let name = value.scalar("the name of a route") else { return }
        if isTCP {
            value.fail("protocol tcp has no routes, expected cluster")
        } else if isEffective, routes.positions[name] == nil {
            value.fail("no route is named \"\(name.excerpt)\", \(routes.suggestion(for: name))")
        } else if isEffective {
            value.notInThisBuild("routing of requests", expected: "protocol: tcp with cluster")
        }
    }

    /// What an ordinary listener does with HTTP heads: checked, and without effect while none is decoded.
    private func checkHeaderFields(_ fields: Fields) {
        _ = fields["requestId"]?.choice(among: ["keep", "generate", "off"])
        _ = fields["forwardedFor"]?.choice(among: ["off", "append", "replace"])
        _ = fields["trustedHops"]?.integer(0...100)
    }
}
