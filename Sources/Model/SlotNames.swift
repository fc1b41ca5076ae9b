import Synchronization

/// What slots are called, for metrics, logs and the admin API. Written by the snapshot compiler, read off the data path.
/// A retired slot keeps its name until it is given away, so late log lines still have one.
public final class SlotNames: Sendable {
    /// What a slot is a slot of.
    public enum Kind: Int, CaseIterable, Sendable { case pod, cluster, listener, route, host }

    private let names = Mutex<[[String]]>(Array(repeating: [], count: Kind.allCases.count))

    /// No names.
    public init() {}

    /// An address in `podCIDRs` that belongs to no listed pod.
    public static let unknownPod = "unknown"
    /// The interception listener for what pods send.
    public static let outboundListener = "outbound"
    /// The interception listener for what pods receive.
    public static let inboundListener = "inbound"

    /// The name of a slot; nil for a slot that was never given.
    public func name(_ kind: Kind, _ slot: Int) -> String? {
        names.withLock { names in
            let list = names[kind.rawValue]
            return list.indices.contains(slot) && !list[slot].isEmpty ? list[slot] : nil
        }
    }

    /// All names of a kind, by slot; empty text where no name was given.
    public func all(_ kind: Kind) -> [String] { names.withLock { $0[kind.rawValue] } }

    func set(_ kind: Kind, _ slot: Int, _ name: String) {
        names.withLock { names in
            let missing = slot + 1 - names[kind.rawValue].count
            if missing > 0 { names[kind.rawValue] += Array(repeating: "", count: missing) }
            names[kind.rawValue][slot] = name
        }
    }
}
