import CLab
import Foundation
import Glibc
import Model
import Synchronization

/// Many connections through a proxy that carry numbered, checked messages both ways at a steady rate, served by one
/// thread. Both ends are this process's, so each message's delay is known.
public final class StreamLoad: Sendable {
    /// What has been seen so far.
    public struct Report: Sendable {
        /// Messages that arrived whole and in their turn.
        public var received = 0
        /// The longest a message took since the last `takeReport`, nanoseconds.
        public var worstDelay: Int64 = 0
        /// What went wrong: ends, resets, wrong bytes. At most a few.
        public var faults: [String] = []
    }

    private let isStopped = Atomic<Bool>(false)
    private let hasEnded = Atomic<Bool>(false)
    private let report = Mutex(Report())

    /// Opens `count` connections to `address`, whose other ends `acceptor` gets, and starts to send on each end every
    /// `interval` nanoseconds.
    public init(_ count: Int, to address: SocketAddress, _ acceptor: Acceptor, interval: Int64) throws(PeerError) {
        var loop = StreamLoop(interval: interval)
        for number in 0..<count {
            let client = try Peer(to: address)
            loop.add(client, number: number, isClient: true)
            loop.add(try acceptor.accept(), number: number, isClient: false)
        }
        loop.begin()
        let ready = loop
        Thread.detachNewThread { self.run(ready) }
    }

    private func run(_ start: StreamLoop) {
        var loop = start
        while !isStopped.load(ordering: .relaxed) {
            let news = loop.turn()
            report.withLock { report in
                report.received += news.received
                report.worstDelay = max(report.worstDelay, news.worstDelay)
                report.faults += news.faults.prefix(10 - min(10, report.faults.count))
            }
        }
        hasEnded.store(true, ordering: .releasing)
    }

    /// What has been seen so far; the worst delay starts anew.
    public func takeReport() -> Report {
        report.withLock { report in
            defer { report.worstDelay = 0 }
            return report
        }
    }

    /// Stops, and closes all connections. Waits.
    public func stop() {
        isStopped.store(true, ordering: .relaxed)
        while !hasEnded.load(ordering: .acquiring) { usleep(1000) }
    }
}

/// The body of a `StreamLoad`'s thread.
struct StreamLoop {
    /// One end of a connection.
    private struct End {
        let peer: Peer
        let number: UInt32
        /// Set apart in the bytes, so that a connection's own bytes are not mistaken for the other end's.
        let isClient: Bool
        var sent: UInt32 = 0
        var received: UInt32 = 0
        var outgoing: [UInt8] = []
        var incoming: [UInt8] = []
        var isBroken = false
    }

    /// time (8 bytes), connection (4), number and direction (4), then a pattern made from them.
    private static let messageSize = 512
    private let interval: Int64
    private let epoll = clab_epoll_create()
    private var ends: [End] = []
    private var indexByDescriptor: [Int32: Int] = [:]
    private var report = StreamLoad.Report()
    /// When the next end is to send, and which it is: they take turns, evenly over the interval.
    private var nextTime = Self.now()
    private var nextEnd = 0
    /// What messages are cut from.
    private let noise: [UInt8] = {
        var state: UInt64 = 1
        return (0..<8192).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
    }()

    init(interval: Int64) { self.interval = interval }

    /// The time spent on connecting is not made up for.
    mutating func begin() { nextTime = Self.now() }

    mutating func add(_ peer: Peer, number: Int, isClient: Bool) {
        indexByDescriptor[peer.descriptor] = ends.count
        ends.append(End(peer: peer, number: UInt32(number), isClient: isClient))
        _ = fcntl(peer.descriptor, F_SETFL, O_NONBLOCK)
        _ = clab_epoll_set(epoll, CLAB_ADD, peer.descriptor, CLAB_IN)
    }

    /// Sends what is due, takes what has come. At most two milliseconds of waiting.
    mutating func turn() -> StreamLoad.Report {
        report = StreamLoad.Report()
        let now = Self.now()
        while nextTime <= now {
            if !ends[nextEnd].isBroken { send(nextEnd, now) }
            nextEnd = (nextEnd + 1) % ends.count
            nextTime += interval / Int64(ends.count)
        }
        var events = [clab_event](repeating: clab_event(), count: 512)
        // Sound: the shim writes at most `count` events into the array.
        let count = unsafe clab_epoll_wait(epoll, &events, Int32(events.count), 2)
        for event in events[..<Int(max(0, count))] {
            if let index = indexByDescriptor[event.fd], !ends[index].isBroken { receive(index) }
        }
        return report
    }

    private mutating func send(_ index: Int, _ now: Int64) {
        // A connection that stands still sends no second message on top: its delay is measured by the first.
        if ends[index].outgoing.isEmpty {
            let end = ends[index]
            ends[index].outgoing = message(end.number, end.sent << 1 | (end.isClient ? 1 : 0), now)
            ends[index].sent += 1
        }
        // Sound: pointer and length stay inside the array's storage for the call.
        let count = unsafe ends[index].outgoing.withUnsafeBytes { buffer in
            unsafe Glibc.send(ends[index].peer.descriptor, buffer.baseAddress, buffer.count, Int32(MSG_NOSIGNAL))
        }
        if count < 0, errno != EAGAIN { return fail(index, "send: errno \(errno)") }
        ends[index].outgoing.removeFirst(max(0, count))
    }

    private mutating func receive(_ index: Int) {
        var failure: Int32 = 0
        // Sound: the kernel writes at most the buffer's size and says how much.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 16384) { buffer, count in
            let received = unsafe recv(ends[index].peer.descriptor, buffer.baseAddress, buffer.count, 0)
            failure = received < 0 ? errno : received == 0 ? ENOTCONN : 0
            count = max(0, received)
        }
        if failure == EAGAIN { return }
        if failure != 0 { return fail(index, failure == ENOTCONN ? "ended" : "receive: errno \(failure)") }
        ends[index].incoming += bytes
        while ends[index].incoming.count >= Self.messageSize, !ends[index].isBroken { check(index) }
    }

    private mutating func check(_ index: Int) {
        let message = Array(ends[index].incoming.prefix(Self.messageSize))
        ends[index].incoming.removeFirst(Self.messageSize)
        let time = Int64(bitPattern: Self.number(message[0..<8]))
        let number = ends[index].received
        let expected = self.message(ends[index].number, number << 1 | (ends[index].isClient ? 0 : 1), time)
        // Sound: both pointers are good for the length of the comparison.
        let isEqual = unsafe message.withUnsafeBytes { left in
            unsafe expected.withUnsafeBytes { right in unsafe Self.equal(left, right) }
        }
        guard isEqual else { return fail(index, "message \(number) is wrong") }
        ends[index].received += 1
        report.received += 1
        report.worstDelay = max(report.worstDelay, Self.now() - time)
    }

    /// Array's own comparison takes a microsecond a byte in a debug build.
    private static func equal(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
        guard let a = left.baseAddress, let b = right.baseAddress, left.count == right.count else { return false }
        // Sound: both are `left.count` long.
        return unsafe memcmp(a, b, left.count) == 0
    }

    private mutating func fail(_ index: Int, _ what: String) {
        let end = ends[index]
        report.faults.append("connection \(end.number), \(end.isClient ? "client" : "server"): \(what)")
        ends[index].isBroken = true
    }

    private func message(_ connection: UInt32, _ number: UInt32, _ time: Int64) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(Self.messageSize)
        let head = [UInt64(bitPattern: time), UInt64(connection) | UInt64(number) << 32]
        for word in head { for shift in 0..<8 { message.append(UInt8(truncatingIfNeeded: word >> (shift * 8))) } }
        let place = Int((UInt32(truncatingIfNeeded: time) &* 31 &+ connection &* 7919 &+ number) % 7680)
        message += noise[place..<place + Self.messageSize - message.count]
        return message
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func now() -> Int64 {
        var time = timespec()
        // Sound: the kernel fills the structure in.
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
