import CCares
import Glibc

/// Wakes the thread that waits in `DNSChannel.wait` or in `sleep`. Kept for the life of the process, as that thread is.
public struct DNSWakeup: Sendable {
    /// An eventfd.
    let descriptor: Int32

    /// One of its own.
    public init() { descriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK)) }

    /// Ends the wait under way, or the next one.
    public func wake() {
        var one: UInt64 = 1
        // Eight bytes, as an eventfd wants them. A full counter wakes as well.
        _ = unsafe write(descriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Waits to be woken, or until so much time is over.
    public func sleep(milliseconds: Int32) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        // One entry, which lives for the call.
        _ = unsafe poll(&entry, 1, milliseconds)
        drain()
    }

    func drain() {
        var count: UInt64 = 0
        // Eight bytes, as an eventfd gives them.
        _ = unsafe read(descriptor, &count, MemoryLayout<UInt64>.size)
    }
}
