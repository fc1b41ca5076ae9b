import EventLoop

/// What a poller event or a timer is about, as 64 bits: kind, and the handle of the thing in its slab.
struct Token: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case mailbox
        case listener
        case downstream
        case upstream
        case probe
        case client
        case server
        case arrival
        // Timers only.
        case tunnelTimer
        case acceptResume
        case checkDue
        case drainDue
        case clientTimer
        case serverTimer
        case exchangeTimer
        case arrivalTimer
        case restTimer

        /// Whether it is an event of a connection.
        var isConnection: Bool {
            switch self {
            case .downstream, .upstream, .client, .server: true
            case .mailbox, .listener, .probe, .arrival, .tunnelTimer, .acceptResume, .checkDue, .drainDue, .clientTimer,
                .serverTimer, .exchangeTimer, .arrivalTimer, .restTimer:
                false
            }
        }
    }

    let kind: Kind
    let handle: SlabHandle

    init(_ kind: Kind, _ handle: SlabHandle = SlabHandle(index: 0, generation: 0)) {
        self.kind = kind
        self.handle = handle
    }

    /// nil for bits that no token has; the poller returns what we gave it, so that is a bug.
    init?(_ bits: UInt64) {
        guard let kind = Kind(rawValue: UInt8(truncatingIfNeeded: bits >> 56)) else { return nil }
        self.kind = kind
        handle = SlabHandle(
            index: UInt32(truncatingIfNeeded: bits), generation: UInt32(truncatingIfNeeded: bits >> 32) & 0xff_ffff)
    }

    var bits: UInt64 {
        UInt64(kind.rawValue) << 56 | UInt64(handle.generation) << 32 | UInt64(handle.index)
    }
}
