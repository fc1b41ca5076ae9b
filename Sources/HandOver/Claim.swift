import Syscalls

/// A name this process holds in its network namespace: what keeps a second process with the same ports out, and where
/// the next generation finds this one.
public final class Claim: Sendable {
    /// `apusd admin: 127.0.0.1:15000`.
    public let name: String
    let holder: ClaimedName

    /// Claims a name; `addressInUse` when a live process holds it.
    public init(_ name: String) throws(Errno) {
        self.name = name
        holder = try ClaimedName(name)
    }

    /// A claim that the generation before has passed on.
    init(_ name: String, taking descriptor: consuming Descriptor) {
        self.name = name
        holder = ClaimedName(taking: descriptor)
    }
}
