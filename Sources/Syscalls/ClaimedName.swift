import CLinux

/// A name that one process of a network namespace can hold at a time: gone with the process, whatever ends it. Needs no
/// file and no privilege (it is an abstract Unix socket).
public struct ClaimedName: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Claims `name`; `addressInUse` when a live process holds it.
    public init(_ name: String) throws(Errno) {
        // The string is terminated and lives for the call.
        let result = unsafe name.withCString { unsafe apus_claim_name($0) }
        descriptor = Descriptor(taking: try Errno.check(result))
    }
}
