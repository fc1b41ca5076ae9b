import Model

/// The clusters by name, with what references to them must know.
struct ClusterIndex {
    /// Who refers to a cluster.
    enum Reference {
        case outbound
        case inbound
        case listener
    }

    struct Declared {
        /// nil: it could not be read.
        var isOriginalDestination: Bool?
        /// What its endpoints speak, when it says so.
        var protocolName: String?
    }

    var names = NameIndex("cluster")
    private var declared: [String: Declared] = [:]

    mutating func add(_ name: String, _ cluster: Declared) { declared[name] = cluster }

    /// The name in `value` of a cluster that such a reference may use for such traffic (nil: not known).
    func resolve(
        _ value: Value, _ reference: Reference, _ traffic: Configuration.TrafficProtocol?
    ) -> String? {
        guard let name = resolve(value, traffic) else { return nil }
        if let reason = conflict(name, reference) { value.fail("cluster \"\(name)\" \(reason)") }
        return name
    }

    /// The same for a rule, whose users are not known yet.
    func resolve(_ value: Value, _ traffic: Configuration.TrafficProtocol?) -> String? {
        guard let name = value.scalar("a cluster's name") else { return nil }
        guard names.positions[name] != nil else {
            value.fail("no cluster is named \"\(name.excerpt)\", \(names.suggestion(for: name))")
            return nil
        }
        let expected = traffic?.mayBeHTTP == false ? ["tcp"] : ["http1", "http2"]
        if traffic != nil, let protocolName = declared[name]?.protocolName, !expected.contains(protocolName) {
            let words = expected.joined(separator: " or ")
            value.fail("cluster \"\(name)\" speaks \(protocolName), expected one with protocol: \(words)")
        }
        return name
    }

    /// Why such a reference must not use the cluster; nil: it may.
    func conflict(_ name: String, _ reference: Reference) -> String? {
        switch (reference, declared[name]?.isOriginalDestination) {
        case (.inbound, false?):
            "has endpoints of its own, expected one with originalDestination: true (what a pod receives stays with it)"
        case (.listener, true?):
            "goes to the original destination, which is this listener itself, expected one with endpoints"
        default: nil
        }
    }

    /// Whether endpoints of the cluster may have labels; true when that is not known.
    func hasEndpoints(_ name: String) -> Bool { declared[name]?.isOriginalDestination != true }
}
