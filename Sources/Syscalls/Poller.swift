import CLinux

/// An epoll instance and the events of its last wait. Registrations are edge-triggered; what they wait for is never
/// changed.
///
/// Some connections can be *gathered*: they are in a second instance, below the first. What becomes ready there ends a
/// wait like everything else, until `holdsGathered` is set: then it waits, and wakes nobody, until `takeGathered`.
@safe public struct Poller: ~Copyable {
    private let descriptor: Descriptor
    private let gathered: Descriptor
    /// What is ready of the gathered connections is left alone until it is asked for.
    public private(set) var holdsGathered = false
    /// There have been some: before, nothing is looked for.
    private var hasGathered = false
    /// Of the second instance in the first.
    private static let gatheredToken: UInt64 = 0xfe << 56
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
        let own = Descriptor(taking: try Errno.check(apus_epoll_create()))
        let below = Descriptor(taking: try Errno.check(apus_epoll_create()))
        try Errno.check(apus_epoll_add(own.number, below.number, APUS_READABLE, Self.gatheredToken))
        descriptor = own
        gathered = below
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
        return withGathered(checked(count))
    }

    /// The same for a time shorter than a millisecond. Needs Linux 5.11: before, it does not wait.
    public mutating func wait(nanoseconds: Int64) -> Int {
        // The kernel writes at most `capacity` events.
        let count = unsafe apus_epoll_wait_briefly(descriptor.number, events, capacity, nanoseconds)
        return count == -Errno.notImplemented.code ? wait(milliseconds: 0) : withGathered(checked(count))
    }

    private func checked(_ count: Int32) -> Int {
        precondition(count >= 0 || count == -Errno.interrupted.code, "epoll_wait: our own descriptor or buffer is bad")
        return max(0, Int(count))
    }

    /// Puts what is ready of the gathered connections in the place of the event that says that there is something.
    private mutating func withGathered(_ count: Int) -> Int {
        guard hasGathered, !holdsGathered else { return count }
        for index in 0..<count where event(index).token == Self.gatheredToken {
            // Both are below the count.
            unsafe events[index] = unsafe events[count - 1]
            return takeGathered(behind: count - 1)
        }
        return count
    }

    /// Adds what is ready of the gathered connections to the `count` events of the last wait; returns how many there are
    /// now. What finds no room is there the next time.
    public mutating func takeGathered(behind count: Int) -> Int {
        let room = capacity - Int32(count)
        guard room > 0 else { return count }
        // `room` events fit behind the first `count`.
        let more = unsafe apus_epoll_wait(gathered.number, events + count, room, 0)
        return count + checked(more)
    }

    /// From now on what becomes ready of the gathered connections waits to be asked for, or no longer does.
    public mutating func holdGathered(_ holds: Bool) {
        guard holds != holdsGathered else { return }
        let flags = holds ? 0 : APUS_READABLE
        let result = apus_epoll_change(descriptor.number, gathered.number, flags, Self.gatheredToken)
        precondition(result == 0, "epoll_ctl: our own descriptor is bad")
        holdsGathered = holds
    }

    /// Puts a connection among the gathered ones, or back. What is ready now makes a new event. After an error it is in
    /// neither.
    public mutating func move(
        _ descriptor: borrowing Descriptor, token: UInt64, gathered isGathered: Bool
    ) throws(Errno) {
        let flags = APUS_READABLE | APUS_PEER_CLOSED | APUS_EDGE | APUS_WRITABLE | APUS_URGENT
        let (own, below) = (self.descriptor.number, gathered.number)
        // It is known to one of them; to which does not matter to whoever moves it.
        _ = apus_epoll_remove(isGathered ? own : below, descriptor.number)
        try Errno.check(apus_epoll_add(isGathered ? below : own, descriptor.number, flags, token))
        if isGathered { hasGathered = true }
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
