/// One filter as workers see it. What it is for (`Configuration.Filter.match`) is asked of `RouteView`.
public enum FilterRecord: Sendable, BitwiseCopyable {
    /// See `Configuration.Fault`.
    case fault(FaultRecord)
    /// See `Configuration.LocalRateLimit`.
    case localRateLimit(RateLimitRecord)
}

/// Delays and errors for a share of requests.
public struct FaultRecord: Sendable, BitwiseCopyable, Equatable {
    /// Of how many requests.
    public let delayShare, abortShare: RandomShare
    /// How long a delayed request waits, nanoseconds.
    public let delay: Int64
    /// What an aborted one is answered.
    public let abortStatus: Int

    /// What the configuration says.
    public init(_ fault: Configuration.Fault) {
        delayShare = RandomShare(fault.delayShare)
        abortShare = RandomShare(fault.abortShare)
        delay = fault.delay.nanoseconds
        abortStatus = fault.abortStatus
    }

    /// What happens to a request: how long it waits (0: not at all), and then what it is answered (nil: nothing, it goes
    /// on). `random` is 64 fresh random bits; the two draws use different halves.
    public func decide(random: UInt64) -> (delay: Int64, abortStatus: Int?) {
        (
            delayShare.includes(UInt32(truncatingIfNeeded: random)) ? delay : 0,
            abortShare.includes(UInt32(truncatingIfNeeded: random >> 32)) ? abortStatus : nil
        )
    }
}

/// A share of events, drawn with 32 random bits each.
public struct RandomShare: Sendable, BitwiseCopyable, Equatable {
    /// Draws below this are in: 0 none, 2^32 all.
    private let threshold: UInt64

    /// 0...1; what is outside is held at the ends.
    public init(_ share: Double) { threshold = UInt64((min(max(share, 0), 1) * 0x1p32).rounded()) }

    /// Whether this draw is in.
    public func includes(_ random: UInt32) -> Bool { UInt64(random) < threshold }
}
