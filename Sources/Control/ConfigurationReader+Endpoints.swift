import Model

extension ConfigurationReader {
    /// Where endpoints come from: one of three keys. `originalDestination` may also stand inside `discovery`.
    func readDiscovery(_ fields: Fields) -> Configuration.Cluster.Discovery? {
        let sources = fields.present(["endpoints", "discovery", "originalDestination"])
        guard let source = sources.first else {
            fields.owner.fail("has no endpoints, expected one of endpoints, discovery or originalDestination")
            return nil
        }
        if let second = sources.dropFirst().first {
            second.value.fail(
                "stands beside \(source.name), expected one of endpoints, discovery or originalDestination")
        }
        switch source.name {
        case "endpoints": return readEndpoints(source.value).map { .endpoints($0) }
        case "discovery": return readDynamicDiscovery(source.value)
        default: return readOriginalDestination(source.value)
        }
    }

    private func readOriginalDestination(_ value: Value) -> Configuration.Cluster.Discovery? {
        guard let isSet = value.boolean() else { return nil }
        if !isSet { value.fail("is false, expected true: leave the key out otherwise") }
        return .originalDestination
    }

    private func readDynamicDiscovery(_ value: Value) -> Configuration.Cluster.Discovery? {
        guard let fields = value.fields(["dns", "kubernetes", "consul", "originalDestination"]) else { return nil }
        guard let source = fields.all.first, fields.all.count == 1 else {
            value.fail("has \(fields.all.count) sources, expected one: dns or originalDestination")
            return nil
        }
        switch source.name {
        case "dns": return readDNSName(source.value).map { .dns($0) }
        case "originalDestination": return readOriginalDestination(source.value)
        default:
            source.value.notInThisBuild("discovery.\(source.name)", expected: "endpoints, dns or originalDestination")
            return nil
        }
    }

    private func readDNSName(_ value: Value) -> Configuration.DNSName? {
        value.parsed("HOST:PORT, such as cart.shop:8080") { text in
            guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
            else { return nil }
            let host = text[..<colon].lowercased()
            let name = host.hasSuffix(".") ? String(host.dropLast()) : host
            guard Self.isHostName(name), IPAddress(name) == nil else { return nil }
            return Configuration.DNSName(host: name, port: port)
        }
    }

    /// Labels of 1 to 63 letters, digits, - and _ (which services have, though hosts must not), 253 bytes in all.
    private static func isHostName(_ name: String) -> Bool {
        guard name.utf8.count <= 253 else { return false }
        return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count)
                && label.utf8.allSatisfy { DocumentText.isNameByte($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private func readEndpoints(_ value: Value) -> [Configuration.Endpoint]? {
        guard let items = value.list("endpoints") else { return nil }
        var endpoints: [Configuration.Endpoint] = []
        var places: [SocketAddress: Position] = [:]
        for item in items {
            guard let fields = item.fields(["address", "weight", "zone", "labels"]) else { continue }
            var labels: [String: String] = [:]
            for label in fields["labels"]?.anyFields(expected: "a mapping of texts")?.all ?? [] {
                labels[label.name] = label.value.text()
            }
            let weight = fields["weight"]?.integer(1...1000) ?? 1
            let zone = fields["zone"]?.name()
            guard let value = fields.required("address", "IP:PORT"), let address = readEndpointAddress(value) else {
                continue
            }
            if let first = places.updateValue(value.position, forKey: address) {
                value.fail(
                    "\(address) is already at \(problems.place(first)), expected each endpoint once (see weight)")
            }
            endpoints.append(.init(address: address, weight: weight, zone: zone, labels: labels))
        }
        return endpoints
    }

    private func readEndpointAddress(_ value: Value) -> SocketAddress? {
        if let text = value.scalar("IP:PORT"), Self.isHostAndPort(text), SocketAddress(text) == nil {
            value.fail("\"\(text.excerpt)\" is a host name, expected IP:PORT (names go into discovery: {dns: ...})")
            return nil
        }
        guard let address = value.node.isScalar ? value.socketAddress(portMin: 1) : nil else { return nil }
        if address.address.isUnspecified {
            value.fail("\(address) is no address to connect to, expected the endpoint's own")
            return nil
        }
        return address
    }

    private static func isHostAndPort(_ text: String) -> Bool {
        guard text.first?.isLetter == true else { return false }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && UInt16(parts[1]) != nil
            && parts[0].utf8.allSatisfy { DocumentText.isNameByte($0) || $0 == UInt8(ascii: ".") }
    }
}
