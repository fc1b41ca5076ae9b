/// How long a proxy that keeps failing is left alone after it is back.
///
/// A pure value. A host whose proxy dies once wants it back at once; one whose proxy dies every few seconds would lose
/// the connections of each of its short lives.
public struct BackOff: Sendable, Equatable {
    /// Failures that lie closer together than this are of one series.
    public static let window: Int64 = 60_000_000_000
    /// So many failures of a series cost nothing: a crash, and an upgrade that went wrong once.
    public static let tolerated = 2
    /// What the first one past these costs; each further one twice as much.
    public static let first: Int64 = 10_000_000_000
    /// And no more than this.
    public static let longest: Int64 = 300_000_000_000

    /// Failures of the running series.
    public private(set) var failures = 0
    private var lastFailure: Int64 = 0
    /// When it is over, nanoseconds.
    public private(set) var until: Int64 = .min

    /// No failure yet.
    public init() {}

    /// The proxy has failed.
    public mutating func failed(now: Int64) {
        // A series ends when its proxy has lived for the window beyond its own back-off.
        if failures > 0, now - max(lastFailure, until) > Self.window { failures = 0 }
        failures += 1
        lastFailure = now
        guard failures > Self.tolerated else { return }
        let doublings = min(failures - Self.tolerated - 1, 16)
        until = now + min(Self.first << Int64(doublings), Self.longest)
    }

    /// Whether the proxy is still to be left alone.
    public func isActive(now: Int64) -> Bool { now < until }
}
