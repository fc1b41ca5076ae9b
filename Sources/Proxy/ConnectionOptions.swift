import Syscalls

/// Options of every proxied connection, on both sides. Other times than the standard ones are for tests.
struct ConnectionOptions: Sendable {
    /// Keepalive reaps peers that vanished, and refreshes conntrack's 60 s timer of half-closed connections, without
    /// which a translated one loses its translation.
    var keepAliveIdleSeconds: Int32 = 30
    var keepAliveIntervalSeconds: Int32 = 10
    var keepAliveCount: Int32 = 6
    /// Data that is not acknowledged for so long says the same of a peer that is being sent to.
    var userTimeoutMilliseconds: Int32 = 90_000

    /// What the kernel holds unsent for a slow peer, beyond what is in flight. Less, and bulk stops and starts; the
    /// kernel's own bound is 4 MiB for each connection.
    static let notSentBytes: Int32 = 128 << 10

    func apply(to socket: borrowing Socket) throws(Errno) {
        try socket.set(.noDelay)
        // Passed on as ordinary bytes rather than lost.
        try socket.set(.urgentInline)
        try socket.set(
            .keepAlive(
                idleSeconds: keepAliveIdleSeconds, intervalSeconds: keepAliveIntervalSeconds, count: keepAliveCount))
        try socket.set(.userTimeout(milliseconds: userTimeoutMilliseconds))
        try socket.set(.notSentLowWater(bytes: Self.notSentBytes))
    }
}
