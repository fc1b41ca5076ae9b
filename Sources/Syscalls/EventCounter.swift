import CLinux

/// An eventfd: any thread signals, one poller wakes.
public struct EventCounter: ~Copyable, Sendable {
    /// For registration with a poller.
    public let descriptor: Descriptor

    /// A counter at zero.
    public init() throws(Errno) { descriptor = Descriptor(taking: try Errno.check(apus_eventfd())) }

    /// Wakes the poller.
    public func signal() { _ = apus_eventfd_signal(descriptor.number) }

    /// Back to zero, so that the next signal is an edge.
    public func clear() { _ = apus_eventfd_clear(descriptor.number) }
}
