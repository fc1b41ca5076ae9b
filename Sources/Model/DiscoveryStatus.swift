import Synchronization

/// How discovery of one name fares.
public struct DiscoveryStatus: Sendable, Equatable {
    /// Lookups that found addresses, that did so for one family while the other failed, and that found none.
    public private(set) var successes = 0, parts = 0, failures = 0
    /// When one last found addresses, monotonic nanoseconds; nil: none yet. What it found is in use since.
    public private(set) var lastSuccess: Int64?
    /// Why the last lookup found none, or not all; nil: it did.
    public private(set) var problem: String?

    /// Nothing has been looked up.
    public init() {}

    /// A lookup found addresses.
    public mutating func succeeded(at now: Int64) {
        successes += 1
        lastSuccess = now
        problem = nil
    }

    /// A lookup found addresses of one family; whether there are any of the other is not known.
    public mutating func foundPart(at now: Int64, _ reason: String) {
        parts += 1
        lastSuccess = now
        problem = reason
    }

    /// A lookup found none.
    public mutating func failed(_ reason: String) {
        failures += 1
        problem = reason
    }
}

/// The same of all names, for whoever shows it: written by the source of discovery, read by the admin side.
public final class DiscoveryBoard: Sendable {
    private let statuses = Mutex<[String: DiscoveryStatus]>([:])

    /// Nothing is discovered.
    public init() {}

    /// By host name.
    public var all: [String: DiscoveryStatus] { statuses.withLock { $0 } }

    /// Replaces all.
    public func set(_ new: [String: DiscoveryStatus]) { statuses.withLock { $0 = new } }
}
