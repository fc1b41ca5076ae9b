import Model

/// `filters` of listeners, table entries and rules.
extension ConfigurationReader {
    func readFilters(
        _ value: Value?, _ traffic: Configuration.TrafficProtocol?, isEffective: Bool
    ) -> [Configuration.Filter] {
        guard let value else { return [] }
        guard isEffective else {
            Shape.filters.check(value)
            return []
        }
        let items = value.list("filters") ?? []
        if traffic?.mayBeHTTP == false, !items.isEmpty {
            value.fail("filters are for requests, expected protocol http1, http2, http or auto")
        }
        return items.compactMap(readFilter)
    }

    private func readFilter(_ value: Value) -> Configuration.Filter? {
        let names = ["fault", "localRateLimit"]
        guard let fields = value.anyFields(expected: "a mapping with one filter") else { return nil }
        guard let field = fields.all.first, fields.all.count == 1 else {
            value.fail("has \(fields.all.count) filters, expected one: the list has their order")
            return nil
        }
        switch field.name {
        case "fault": return readFault(field.value)
        case "localRateLimit": return readLocalRateLimit(field.value)
        default:
            let expected = Spelling.nearest(to: field.name, among: names).map { "did you mean \"\($0)\"?" }
            problems.add(
                "no filter is named so in this build, \(expected ?? "expected \(Value.enumeration(names))")",
                at: field.keyPosition, path: field.value.path.text)
            return nil
        }
    }

    private func readFault(_ value: Value) -> Configuration.Filter? {
        guard let fields = value.fields(["match", "delay", "abort"]) else { return nil }
        var fault = Configuration.Fault()
        if fields.present(["delay", "abort"]).isEmpty { value.fail("does nothing, expected delay, abort or both") }
        if let delay = fields["delay"]?.fields(["percent", "duration"]) {
            fault.delayShare = delay.required("percent", "a share of the requests")?.percentNumber() ?? 0
            fault.delay = delay.required("duration", "how long they wait")?.duration(Self.delays) ?? .zero
        }
        if let abort = fields["abort"]?.fields(["percent", "status"]) {
            fault.abortShare = abort.required("percent", "a share of the requests")?.percentNumber() ?? 0
            fault.abortStatus = abort.required("status", "a status from 200 to 599")?.integer(200...599) ?? 503
        }
        return Configuration.Filter(match: fields["match"].map(readRequestMatch) ?? .init(), .fault(fault))
    }

    /// A delayed request holds its memory.
    private static let delays: ClosedRange<Duration> = .milliseconds(1)...(.seconds(3600))

    private func readLocalRateLimit(_ value: Value) -> Configuration.Filter? {
        guard let fields = value.fields(["match", "requests", "per", "burst", "status"]) else { return nil }
        let counts = 1...10_000_000
        let match = fields["match"].map(readRequestMatch) ?? .init()
        let requests = fields.required("requests", "how many requests")?.integer(counts)
        var limit = Configuration.LocalRateLimit(requests: requests ?? 1)
        if let per = fields["per"]?.duration() { limit.per = per }
        if let burst = fields["burst"]?.integer(counts) { limit.burst = burst }
        if let status = fields["status"]?.integer(400...599) { limit.status = status }
        return Configuration.Filter(match: match, .localRateLimit(limit))
    }
}

extension Value {
    /// A share that a key named `percent` gives, 0...1; the sign may be left out, as the key says it.
    func percentNumber() -> Double? {
        parsed("a number from 0 to 100, such as 10 or 0.5") { text in
            Units.share(text.hasSuffix("%") ? text : text + "%")
        }
    }

    /// The name of a cookie.
    func cookieName() -> String? {
        parsed("the name of a cookie") { text in
            let isName = !text.isEmpty && text.utf8.count <= 256
            return isName && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"=;,\"".utf8.contains($0) } ? text : nil
        }
    }
}
