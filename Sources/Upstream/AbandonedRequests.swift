import Model

/// What clients have let servers begin and then given up before there was an answer: by resetting streams, by leaving, by
/// giving their calls next to no time. It costs a client a few bytes, and the server a request each.
///
/// A rate after a burst (GCRA), one word for each client's address; addresses share words by a keyed hash, so the memory is
/// bounded. A client over it has its next requests refused until that has been paid for; what it has under way goes on.
public struct AbandonedRequests: Sendable {
    private var words: [Int64] = []
    private let key: UInt64

    /// At once; each second; how many seconds one is refused at most.
    static let burst: Int64 = 5000
    static let perSecond: Int64 = 500
    static let refusedSecondsMax: Int64 = 10
    private static let wordCount = 1024
    private static let interval = 1_000_000_000 / perSecond

    /// `seed`: nobody else may know it.
    public init(seed: UInt64) { key = StableHash.mix(seed) }

    /// A request of `client` was given up.
    public mutating func note(_ client: IPAddress, now: Int64) {
        if words.isEmpty { words = Array(repeating: 0, count: Self.wordCount) }
        let place = place(client)
        let paidMax = now + Self.burst * Self.interval + Self.refusedSecondsMax * 1_000_000_000
        words[place] = min(max(words[place], now) + Self.interval, paidMax)
    }

    /// Whether it has to wait before it asks again.
    public func isOver(_ client: IPAddress, now: Int64) -> Bool {
        !words.isEmpty && words[place(client)] - now > Self.burst * Self.interval
    }

    private func place(_ client: IPAddress) -> Int {
        Int(StableHash.mix(StableHash.of(client) ^ key) % UInt64(Self.wordCount))
    }
}
