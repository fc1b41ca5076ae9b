/// How long frames of busy connections of streams are left to gather before they are handled together.
///
/// A wake-up, a read and a write cost ten times what a small request does. While streams are many, the next frames are
/// a few microseconds away, and everybody on the way gains by waiting for them: what interrupt moderation is to packets.
/// It must not be felt, so the pause is at most a sixth of what the fastest quarter of the streams take anyway, and there
/// is none unless it is expected to bring several. A pure value: time is passed in, in monotonic nanoseconds.
public struct GatherPace: Sendable {
    /// The pause between two looks, nanoseconds; 0: nothing is gathered.
    public private(set) var delay: Int64 = 0

    private let delayMax: Int64
    /// A quarter of the streams take less, about.
    private var quick: Int64 = 0
    /// Streams that have ended since `since`.
    private var ended: Int64 = 0
    private var since: Int64

    /// A pause is that part of what the quick ones take.
    private static let share: Int64 = 6
    /// A pause that is not worth its own wake-up.
    private static let delayMin: Int64 = 40_000
    /// The rate is taken from what ends within this time.
    private static let window: Int64 = 2_000_000
    /// Streams that a pause must be expected to bring, to begin with and to go on.
    private static let (beginsAt, goesOnAt): (Int64, Int64) = (4, 2)

    /// Pauses of at most `delayMax`; 0: none ever.
    public init(delayMax: Int64, now: Int64) {
        self.delayMax = delayMax
        since = now
    }

    /// A stream of a busy connection has ended, so long after its beginning.
    public mutating func ended(after duration: Int64) {
        ended += 1
        // Where three steps up meet one of three down lies the quarter; a step is a fraction, so that any scale is
        // reached within some hundred streams.
        let step = max(quick >> 7, 100)
        quick = duration > quick ? quick + step : max(0, quick - 3 * step)
    }

    /// Once a turn. True: `delay` has become 0, or is no longer.
    public mutating func measure(now: Int64) -> Bool {
        let elapsed = now - since
        guard elapsed >= Self.window else { return false }
        let was = delay
        let candidate = min(delayMax, quick / Self.share)
        // Both are far from the limits: a pause is below a second, and so many streams do not end in one window.
        let expected = ended * candidate / elapsed
        let isWorthIt = candidate >= Self.delayMin && expected >= (was > 0 ? Self.goesOnAt : Self.beginsAt)
        delay = isWorthIt ? candidate : 0
        (ended, since) = (0, now)
        return (was > 0) != (delay > 0)
    }
}
