import CLinux
import Glibc
import Model

extension Socket {
    /// Socket options by their kernel names; the value's meaning is in the comment.
    public enum Option: Sendable {
        /// Several sockets share the address and the kernel spreads connections over them.
        case reusePort
        /// A port in TIME_WAIT, or bound by another socket that set this too, may be bound.
        case reuseAddress
        /// Addresses that are not this host's may be bound. Needs CAP_NET_ADMIN.
        case transparent(IPAddress.Family)
        /// An IPv6 socket takes no IPv4.
        case v6Only
        /// The packet mark. Needs CAP_NET_ADMIN.
        case mark(UInt32)
        /// Small writes are sent at once.
        case noDelay
        /// Urgent data stays in its place in the stream.
        case urgentInline
        /// Probes after `idleSeconds` of silence, `intervalSeconds` apart, `count` of them.
        case keepAlive(idleSeconds: Int32, intervalSeconds: Int32, count: Int32)
        /// Unacknowledged data older than this breaks the connection.
        case userTimeout(milliseconds: Int32)
        /// No more is taken while so much has not been sent yet.
        case notSentLowWater(bytes: Int32)
        /// The receive queue takes so many bytes (the kernel doubles it for its overhead) and no longer adapts. What the
        /// peer sends beyond is dropped, also within a window that was larger before, and the window is closed.
        case receiveBuffer(bytes: Int32)
        /// Both queues adapt again. Refused before Linux 5.14.
        case adaptiveBuffers
    }

    /// Sets an option.
    public func set(_ option: Option) throws(Errno) {
        switch option {
        case .reusePort: try set(SOL_SOCKET, SO_REUSEPORT, 1)
        case .reuseAddress: try set(SOL_SOCKET, SO_REUSEADDR, 1)
        case .transparent(.v4): try set(Int32(IPPROTO_IP), IP_TRANSPARENT, 1)
        case .transparent(.v6): try set(Int32(IPPROTO_IPV6), Int32(APUS_IPV6_TRANSPARENT), 1)
        case .v6Only: try set(Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
        case .mark(let mark): try set(SOL_SOCKET, SO_MARK, Int32(bitPattern: mark))
        case .noDelay: try set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        case .urgentInline: try set(SOL_SOCKET, SO_OOBINLINE, 1)
        case .keepAlive(let idle, let interval, let count):
            try set(SOL_SOCKET, SO_KEEPALIVE, 1)
            try set(Int32(IPPROTO_TCP), TCP_KEEPIDLE, idle)
            try set(Int32(IPPROTO_TCP), TCP_KEEPINTVL, interval)
            try set(Int32(IPPROTO_TCP), TCP_KEEPCNT, count)
        case .userTimeout(let milliseconds): try set(Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, milliseconds)
        case .notSentLowWater(let bytes): try set(Int32(IPPROTO_TCP), TCP_NOTSENT_LOWAT, bytes)
        case .receiveBuffer(let bytes): try set(SOL_SOCKET, SO_RCVBUF, bytes)
        case .adaptiveBuffers: try set(SOL_SOCKET, Int32(APUS_SO_BUF_LOCK), 0)
        }
    }

    /// The packet mark: of an accepted socket its SYN's, where net.ipv4.tcp_fwmark_accept is 1.
    public func mark() throws(Errno) -> UInt32 {
        var mark: UInt32 = 0
        // The shim fills the number in.
        try Errno.check(unsafe apus_mark(descriptor.number, &mark))
        return mark
    }

    /// What the kernel holds for the socket, bytes.
    public struct Memory: BitwiseCopyable, Sendable {
        /// Received and not read, with the kernel's overhead.
        public let received: Int
        /// Written and not acknowledged, with the kernel's overhead.
        public let sent: Int

        /// So much.
        public init(received: Int, sent: Int) {
            self.received = received
            self.sent = sent
        }
    }

    /// Asks for the socket's memory; nil when the kernel does not say (before 4.12).
    public func memory() -> Memory? {
        var memory = apus_socket_memory()
        // The shim fills the struct in.
        guard unsafe apus_socket_memory(descriptor.number, &memory) >= 0 else { return nil }
        return Memory(received: Int(memory.receive), sent: Int(memory.send))
    }

    private func set(_ level: Int32, _ option: Int32, _ value: Int32) throws(Errno) {
        try Errno.check(apus_set_option(descriptor.number, level, option, value))
    }
}

// MARK: listening groups

extension Socket {
    /// Sends all new connections of this socket's SO_REUSEPORT group to the member at `index`, in the order in which
    /// they began to listen. When the member goes, its place is the last one's; a place past the end means that the
    /// kernel spreads connections over all again.
    public func directGroup(to index: Int) throws(Errno) {
        try Errno.check(apus_direct_group(descriptor.number, UInt32(clamping: index)))
    }

    /// Takes `directGroup` back.
    public func undirectGroup() { _ = apus_undirect_group(descriptor.number) }

    /// A listening socket answers no new SYN from now on; handshakes under way are finished.
    public func dropHandshakes() throws(Errno) { try Errno.check(apus_drop_handshakes(descriptor.number)) }
}
