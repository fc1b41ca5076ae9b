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

    /// The name in `value` of a cluster that such a reference may use.
    func resolve(_ value: Value, _ reference: Reference) -> String? {
        guard let name = value.scalar("a cluster's name") else { return nil }
        guard names.positions[name] != nil else {
            value.fail("no cluster is named \"\(name.excerpt)\", \(names.suggestion(for: name))")
            return nil
        }
        guard let cluster = declared[name] else { return name }
        if let protocolName = cluster.protocolName, protocolName != "tcp" {
            value.fail("cluster \"\(name)\" speaks \(protocolName), expected one with protocol: tcp")
        }
        switch (reference, cluster.isOriginalDestination) {
        case (.inbound, false?):
            value.fail(
                "cluster \"\(name)\" has endpoints of its own, expected one with originalDestination: true "
                    + "(what a pod receives stays with it)")
        case (.listener, true?):
            value.fail(
                "cluster \"\(name)\" goes to the original destination, which is this listener itself, "
                    + "expected one with endpoints")
        default: break
        }
        return name
    }
}
