/// How fast one endpoint answers one worker: an average that forgets over ten seconds and jumps up at once (Finagle's
/// peak EWMA), so that an endpoint that becomes slow is noticed by its first slow answer.
///
/// A value that is not renewed drifts towards the cluster's mean: an endpoint that was slow once, and is therefore not
/// picked, gets another chance. One that has never answered is taken to be as fast as the mean.
struct PeakLatency: Sendable, BitwiseCopyable {
    /// Nanoseconds; 0: no answer yet.
    private var nanoseconds: Float = 0
    /// When that was, in units of 2^16 ns (65 us).
    private var at: UInt32 = 0

    /// After this long a value counts for 1/e of what it did, in those units: ten seconds.
    private static let decay: Float = 152_588

    private static func units(_ now: Int64) -> UInt32 { UInt32(truncatingIfNeeded: now >> 16) }

    /// What is left of a value after `elapsed` units: 1 / (1 + x + x^2/2), which stays within 10 % of e^-x while it
    /// matters, and costs no call of exp.
    private static func rest(_ elapsed: UInt32) -> Float {
        let x = Float(elapsed) / decay
        return 1 / (1 + x + x * x / 2)
    }

    mutating func add(_ sample: Int64, now: Int64) {
        let sample = Float(max(sample, 1))
        let time = Self.units(now)
        if sample >= nanoseconds {
            nanoseconds = sample
        } else {
            let rest = Self.rest(max(time &- at, 1))
            nanoseconds = nanoseconds * rest + sample * (1 - rest)
        }
        at = time
    }

    /// Whether it has ever answered.
    var isKnown: Bool { nanoseconds > 0 }

    /// What it is taken to be now, given what is usual in the cluster (0: not known either).
    func estimate(now: Int64, mean: Float) -> Float {
        guard isKnown else { return max(mean, 1) }
        let rest = Self.rest(Self.units(now) &- at)
        return max(1, mean + (nanoseconds - mean) * rest)
    }
}
