import EventLoop
import Model

/// How far a walk over a worker's client connections has come: tunnels, HTTP sessions, those of which it is not decided.
///
/// Connections that come meanwhile are met or not; those that were there are met once.
struct ConnectionWalk: BitwiseCopyable {
    var tunnels = 0
    var clients = 0
    var arrivals = 0

    /// Places in one turn. Each piece takes about 0.1 ms.
    static let placesPerTurn = 1024

    /// The next thing in a slab from `place` on; nil: its end, or that of `budget`, of which each place takes one.
    static func next<Element: ~Copyable>(
        _ slab: borrowing Slab<Element>, _ place: inout Int, _ budget: inout Int
    ) -> SlabHandle? {
        while place < slab.indexEnd, budget > 0 {
            let index = place
            place += 1
            budget -= 1
            if let handle = slab.handle(at: index) { return handle }
        }
        return nil
    }
}

/// Something to be done with all connections of a worker, a bounded piece a turn, so that it holds nobody up. One at a
/// time: while one is under way, a message that would begin another waits.
struct Sweep {
    enum Purpose {
        /// A drain is taken back: they may leave for other workers and processes again.
        case stay
        /// Responses are the last of their connections, and idle connections end.
        case drain
        /// Describe up to so many.
        case list(limit: Int, reply: @Sendable ([ConnectionView], _ truncated: Bool) -> Void)
    }

    let purpose: Purpose
    var walk = ConnectionWalk()
    /// What `list` has described.
    var views: [ConnectionView] = []

    init(_ purpose: Purpose) { self.purpose = purpose }
}
