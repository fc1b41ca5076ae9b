import CLinux

/// An open file descriptor, owned: closed when the value goes. Never copied, so never closed twice or used after.
public struct Descriptor: ~Copyable, Sendable {
    /// The kernel's number, for one call. Do not keep it.
    public let number: Int32

    /// Takes over `number`.
    public init(taking number: Int32) { self.number = number }

    deinit { _ = apus_close(number) }

    /// Gives the number away: the caller closes it.
    public consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}

extension Descriptor {
    /// Carries a descriptor.
    public typealias Parcel = Syscalls.Parcel<Descriptor>
}
