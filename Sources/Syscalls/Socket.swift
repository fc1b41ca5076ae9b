import CLinux
import Glibc
import Model

/// A TCP socket: non-blocking, close-on-exec, owned.
///
/// The one place that calls the kernel for sockets. EINTR is retried where the call may return it; EBADF and EFAULT are
/// our bugs and trap.
public struct Socket: ~Copyable, Sendable {
    /// The descriptor; for registration with a poller.
    public let descriptor: Descriptor

    /// Takes over a connected or listening socket.
    public init(taking descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Gives the descriptor away.
    public consuming func release() -> Descriptor { descriptor }

    /// A new TCP socket of the family.
    public init(family: IPAddress.Family) throws(Errno) {
        descriptor = Descriptor(taking: try Errno.check(apus_tcp_socket(family == .v4 ? 1 : 0)))
    }

    /// The same socket under a number of `least` or more. When a process is killed, the kernel closes the highest numbers
    /// first. Without a free one there it stays as it is.
    public consuming func moved(toAtLeast least: Int32) -> Socket {
        let number = apus_duplicate_from(descriptor.number, least)
        return number < 0 ? self : Socket(taking: Descriptor(taking: number))
    }

    /// What a read did.
    public enum ReadResult: BitwiseCopyable {
        /// This many bytes, one or more.
        case bytes(Int)
        /// Nothing there now; an edge will tell.
        case wouldBlock
        /// The peer has sent FIN: no byte will follow.
        case end
        /// The connection is broken.
        case failed(Errno)
    }

    /// What a write did.
    public enum WriteResult: BitwiseCopyable {
        /// The kernel took this many bytes, zero or more. Fewer than asked for: an edge will tell when there is room.
        case bytes(Int)
        /// The connection is broken.
        case failed(Errno)
    }

    /// Reads up to `buffer.count` bytes.
    public func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        while true {
            // The kernel writes at most `buffer.count` bytes into memory the caller owns.
            let count = unsafe apus_receive(descriptor.number, buffer.baseAddress, buffer.count)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if count == -Int(EAGAIN) { return .wouldBlock }
            if count != -Int(EINTR) { return .failed(Self.classify(count)) }
        }
    }

    /// Looks at up to `buffer.count` bytes that the next read will return.
    public func peek(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        while true {
            // The kernel writes at most `buffer.count` bytes into memory the caller owns.
            let count = unsafe apus_peek(descriptor.number, buffer.baseAddress, buffer.count)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .end }
            if count == -Int(EAGAIN) { return .wouldBlock }
            if count != -Int(EINTR) { return .failed(Self.classify(count)) }
        }
    }

    /// Writes what the kernel takes.
    public func write(_ buffer: UnsafeRawBufferPointer) -> WriteResult {
        while true {
            // The kernel reads at most `buffer.count` bytes of memory the caller owns.
            let count = unsafe apus_send(descriptor.number, buffer.baseAddress, buffer.count)
            if count >= 0 { return .bytes(count) }
            if count == -Int(EAGAIN) { return .bytes(0) }
            if count != -Int(EINTR) { return .failed(Self.classify(count)) }
        }
    }

    /// Writes what the kernel takes of two pieces, one behind the other, in one call.
    public func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> WriteResult {
        while true {
            // The kernel reads at most the two counts from memory the caller owns.
            let count = unsafe apus_send_two(
                descriptor.number, first.baseAddress, first.count, second.baseAddress, second.count)
            if count >= 0 { return .bytes(count) }
            if count == -Int(EAGAIN) { return .bytes(0) }
            if count != -Int(EINTR) { return .failed(Self.classify(count)) }
        }
    }

    private static func classify(_ result: Int) -> Errno {
        let code = Int32(-result)
        precondition(code != EBADF && code != EFAULT, "a closed descriptor or a bad buffer reached the kernel")
        return Errno(code: code)
    }

    /// Sends FIN. A connection that is gone already is none of the caller's worries here: its reads will say so.
    public func shutdownWrite() { _ = apus_shutdown_write(descriptor.number) }

    /// Makes the close send RST instead of FIN, and drops what is not sent yet.
    public func resetOnClose() { _ = apus_linger_reset(descriptor.number) }

    /// The pending error, taken; nil when there is none. After a connect: why it failed.
    public func takeError() -> Errno? {
        let result = apus_socket_error(descriptor.number)
        return result == 0 ? nil : Errno(code: -result)
    }

    /// The local address; of an intercepted connection, the address the client dialled.
    public func localAddress() throws(Errno) -> SocketAddress {
        var address = apus_address()
        // The shim fills the struct in.
        try Errno.check(unsafe apus_local_address(descriptor.number, &address))
        return SocketAddress(address)
    }

    /// The address the kernel would connect from; nil when there is no way there. Sends nothing.
    public static func source(towards address: SocketAddress) -> IPAddress? {
        let result = apus_udp_socket(address.address.isV4 ? 1 : 0)
        guard result >= 0 else { return nil }
        // Connecting a datagram socket only looks the route up.
        let probe = Socket(taking: Descriptor(taking: result))
        do throws(Errno) {
            try probe.connect(to: address)
            return try probe.localAddress().address
        } catch {
            return nil
        }
    }

    /// Gives the socket a local address and port.
    public func bind(to address: SocketAddress) throws(Errno) {
        var raw = apus_address(address)
        // The shim reads the struct.
        try Errno.check(unsafe apus_bind(descriptor.number, &raw))
    }

    /// Starts to connect: returns when it goes on in the background, or is done.
    public func connect(to address: SocketAddress) throws(Errno) {
        var raw = apus_address(address)
        // The shim reads the struct.
        let result = unsafe apus_connect(descriptor.number, &raw)
        // EINTR: the connect goes on all the same (POSIX); asking again would say EALREADY.
        guard result < 0, result != -EINPROGRESS, result != -EINTR else { return }
        throw Errno(code: -result)
    }

    /// Starts to listen.
    public func listen(backlog: Int32) throws(Errno) {
        try Errno.check(apus_listen(descriptor.number, backlog))
    }

    /// Takes the next connection of a listening socket; nil when there is none now.
    public func accept() throws(Errno) -> Accepted? {
        var peer = apus_address()
        while true {
            // The shim fills the struct in when it succeeds.
            let result = unsafe apus_accept(descriptor.number, &peer)
            if result >= 0 {
                return Accepted(socket: Socket(taking: Descriptor(taking: result)), peer: SocketAddress(peer))
            }
            switch -result {
            case EAGAIN: return nil
            // The connection died in the queue, or a network error was pending on it (accept(2)): take the next.
            case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, ENETUNREACH:
                continue
            default: throw Errno(code: -result)
            }
        }
    }

    /// A connection just accepted.
    public struct Accepted: ~Copyable {
        /// The connection.
        public let socket: Socket
        /// Who connected.
        public let peer: SocketAddress

        /// Takes the socket out.
        public consuming func take() -> Socket { socket }
    }
}

extension SocketAddress {
    init(_ raw: apus_address) {
        self.init(IPAddress(high: raw.high, low: raw.low), raw.port)
    }
}

extension apus_address {
    init(_ address: SocketAddress) {
        self.init(high: address.address.high, low: address.address.low, port: address.port)
    }
}
