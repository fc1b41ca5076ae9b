import CLinux

/// A name that one process of a network namespace can hold at a time: gone with the process, whatever ends it. Needs no
/// file and no privilege (it is an abstract Unix socket).
///
/// The holder may also be reached under the name: `listen`, `accept`, and from the other side `LocalSocket(to:)`.
public struct ClaimedName: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Claims `name`; `addressInUse` when a live process holds it.
    public init(_ name: String) throws(Errno) {
        // The string is terminated and lives for the call.
        let result = unsafe name.withCString { unsafe apus_claim_name($0) }
        descriptor = Descriptor(taking: try Errno.check(result))
    }

    /// Takes over a claim that another process has passed on.
    public init(taking descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Lets other processes connect to the name.
    public func listen() throws(Errno) { try Errno.check(apus_listen(descriptor.number, 4)) }

    /// Waits for a process that connects, up to `milliseconds`; nil: none came.
    public func accept(within milliseconds: Int64) throws(Errno) -> LocalSocket? {
        try Errno.check(apus_timeouts(descriptor.number, max(1, milliseconds)))
        var peer = apus_address()
        // The shim fills the struct in when it succeeds.
        let result = unsafe apus_accept(descriptor.number, &peer)
        if result == -Errno.tryAgain.code || result == -Errno.interrupted.code { return nil }
        return LocalSocket(taking: Descriptor(taking: try Errno.check(result)))
    }

    /// Lends the descriptor's number, to pass the claim on.
    public func withDescriptor<Result>(_ body: (Int32) -> Result) -> Result { body(descriptor.number) }
}
