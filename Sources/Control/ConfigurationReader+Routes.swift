import Model

/// `routes`: tables, virtual hosts, rules. Clusters have been read.
extension ConfigurationReader {
    mutating func readRoutes(_ value: Value?) {
        for item in value?.list("routes") ?? [] {
            guard let fields = item.fields(["name", "virtualHosts"]) else { continue }
            let name = routes.names.declare(fields.required("name", "a name"))
            var table = Configuration.RouteTable(name: name ?? "", virtualHosts: [])
            var domains: [Domain: Position] = [:]
            for host in fields["virtualHosts"]?.list("virtual hosts") ?? [] {
                if let host = readVirtualHost(host, table.name, &domains) { table.virtualHosts.append(host) }
            }
            if name != nil { configuration.routes.append(table) }
        }
    }

    private mutating func readVirtualHost(
        _ value: Value, _ table: String, _ places: inout [Domain: Position]
    ) -> Configuration.VirtualHost? {
        guard let fields = value.fields(["domains", "rules"]) else { return nil }
        var host = Configuration.VirtualHost(domains: [], rules: [])
        for item in fields.required("domains", "hosts, such as cart.shop")?.nonEmptyList("hosts") ?? [] {
            let expected = "a host such as cart.shop, *.cart.shop, cart.* or *, with :PORT if it matters"
            guard let domain = item.parsed(expected, { Domain($0) }) else { continue }
            if let first = places.updateValue(item.position, forKey: domain) {
                places[domain] = first
                item.fail("\(domain) is already a domain of this table at \(problems.place(first)), expected it once")
            }
            host.domains.append(domain)
        }
        for item in fields["rules"]?.list("rules") ?? [] {
            if let rule = readRule(item, table) { host.rules.append(rule) }
        }
        return host
    }

    private mutating func readRule(_ value: Value, _ table: String) -> Configuration.Rule? {
        let actions = ["route", "respond", "redirect"]
        guard let fields = value.fields(["name", "match"] + actions + ["filters"]) else { return nil }
        var rule = Configuration.Rule(action: .respond(status: 404, body: ""))
        if let name = fields["name"] { rule.name = routes.ruleNames.declare(name) }
        if let match = fields["match"] { rule.match = readRequestMatch(match) }
        rule.filters = readFilters(fields["filters"], .http, isEffective: true)
        let present = fields.present(actions)
        if let second = present.dropFirst().first {
            second.value.fail("stands beside \(present[0].name), expected one of route, respond or redirect")
        }
        if present.isEmpty { value.fail("does nothing, expected one of route, respond or redirect") }
        for action in present {
            let read: Configuration.RuleAction? =
                switch action.name {
                case "route": readForwarding(action.value, rule.match, table).map { .forward($0) }
                case "respond": readRespond(action.value)
                default: readRedirect(action.value, rule.match).map { .redirect($0) }
                }
            if let read { rule.action = read }
        }
        return rule
    }

    // MARK: answers

    /// What a local answer's body may be.
    private static let bodyBytesMax = 64 << 10

    private func readRespond(_ value: Value) -> Configuration.RuleAction? {
        guard let fields = value.fields(["status", "body"]),
            let status = fields.required("status", "a status from 200 to 599")?.integer(200...599)
        else { return nil }
        let body = fields["body"]?.scalar("a text") ?? ""
        if body.utf8.count > Self.bodyBytesMax {
            fields["body"]?.fail("is longer than 64KiB, expected a short answer")
        }
        if !body.isEmpty, [204, 205, 304].contains(status) {
            fields["body"]?.fail("an answer with status \(status) has none, expected another status")
        }
        return .respond(status: status, body: body)
    }

    private func readRedirect(
        _ value: Value, _ match: Configuration.RequestMatch
    ) -> Configuration.Redirect? {
        let changes = ["scheme", "host", "prefix", "path"]
        guard let fields = value.fields(changes + ["status"]) else { return nil }
        if fields.present(changes).isEmpty {
            value.fail("changes nothing, expected one or more of scheme, host, prefix or path")
        }
        var redirect = Configuration.Redirect()
        redirect.scheme = fields["scheme"]?.choice(among: ["http", "https"])
        redirect.host = fields["host"]?.host()
        redirect.prefix = fields["prefix"].flatMap { readNewPrefix($0, match) }
        redirect.path = fields["path"]?.requestPath()
        if let path = fields["path"], fields["prefix"] != nil {
            path.fail("stands beside prefix, expected one of them")
        }
        if let status = fields["status"]?.choice(among: ["301", "302", "303", "307", "308"]).flatMap({ Int($0) }) {
            redirect.status = status
        }
        return redirect
    }

    /// A path in place of the one that the rule matches.
    func readNewPrefix(_ value: Value, _ match: Configuration.RequestMatch) -> String? {
        switch match.path {
        case .prefix, .exact: break
        case .regex, nil: value.fail("replaces what match.path says, expected a match.path with prefix or exact")
        }
        return value.requestPath()
    }
}
