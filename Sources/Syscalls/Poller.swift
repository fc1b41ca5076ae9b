import CLinux

/// An epoll instance and the events of its last wait. Registrations are edge-triggered; what they wait for is never
/// changed.
@safe public struct Poller: ~Copyable {
    private let descriptor: Descriptor
    private let events: UnsafeMutablePointer<apus_event>
    private let capacity: Int32

    /// What is ready.
    public struct Readiness: OptionSet, Sendable, BitwiseCopyable {
        /// epoll's bits.
        public let rawValue: UInt32
        /// From epoll's bits.
        public init(rawValue: UInt32) { self.rawValue = rawValue }

        /// Bytes or a connection to take.
        public static let readable = Readiness(rawValue: APUS_READABLE)
        /// TCP urgent data: reads stop at its mark.
        public static let urgent = Readiness(rawValue: APUS_URGENT)
        /// Room to write.
        public static let writable = Readiness(rawValue: APUS_WRITABLE)
        /// The peer has sent FIN.
        public static let peerClosed = Readiness(rawValue: APUS_PEER_CLOSED)
        /// Both directions are closed.
        public static let hangup = Readiness(rawValue: APUS_HANGUP)
        /// An error is pending.
        public static let error = Readiness(rawValue: APUS_ERROR)
    }

    /// One event of the last wait.
    public struct Event: BitwiseCopyable {
        /// As given at registration.
        public let token: UInt64
        /// What is ready.
        public let readiness: Readiness
    }

    /// A poller that takes up to `capacity` events a wait.
    public init(capacity: Int = 256) throws(Errno) {
        descriptor = Descriptor(taking: try Errno.check(apus_epoll_create()))
        // Freed in deinit; an event is plain bits.
        unsafe events = .allocate(capacity: capacity)
        self.capacity = Int32(capacity)
    }

    deinit {
        // Allocated in init.
        unsafe events.deallocate()
    }

    /// Registers a connection for both directions, or a listening socket or eventfd for reading.
    public func add(_ descriptor: borrowing Descriptor, token: UInt64, writing: Bool = true) throws(Errno) {
        let flags =
            APUS_READABLE | APUS_PEER_CLOSED | APUS_EDGE
            | (writing ? APUS_WRITABLE | APUS_URGENT : 0)
        try Errno.check(apus_epoll_add(self.descriptor.number, descriptor.number, flags, token))
    }

    /// Gives a connection's registration another token. What is ready now makes a new event.
    public func change(_ descriptor: borrowing Descriptor, token: UInt64) throws(Errno) {
        let flags = APUS_READABLE | APUS_PEER_CLOSED | APUS_EDGE | APUS_WRITABLE | APUS_URGENT
        try Errno.check(apus_epoll_change(self.descriptor.number, descriptor.number, flags, token))
    }

    /// Takes a registration back. (Closing the descriptor does so too, while it has no duplicate.)
    public func remove(_ descriptor: borrowing Descriptor) {
        _ = apus_epoll_remove(self.descriptor.number, descriptor.number)
    }

    /// Waits up to `milliseconds` (-1: for ever, 0: not at all) and returns how many events there are.
    public mutating func wait(milliseconds: Int32) -> Int {
        // The kernel writes at most `capacity` events.
        let count = unsafe apus_epoll_wait(descriptor.number, events, capacity, milliseconds)
        precondition(count >= 0 || count == -Errno.interrupted.code, "epoll_wait: our own descriptor or buffer is bad")
        return max(0, Int(count))
    }

    /// Event `index` of the last wait, below the count it returned.
    public func event(_ index: Int) -> Event {
        precondition(index >= 0 && index < Int(capacity))
        // In bounds by the line above; initialised by the kernel up to the last wait's count.
        let event = unsafe events[index]
        return Event(
            token: UInt64(event.token_high) << 32 | UInt64(event.token_low),
            readiness: Readiness(rawValue: event.flags))
    }
}
