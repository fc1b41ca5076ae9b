import Model
import Syscalls

/// One side of a connection, below tunnels and codecs: reads and writes bytes, whatever wraps them on the wire.
///
/// Plain TCP today. The shape is TLS's: a blocked call names the readiness it waits for, whichever direction was asked
/// for; readable plaintext may be held without a new edge to come; an end that the layer did not announce is a reset.
struct Transport: ~Copyable, Sendable {
    private let socket: Socket

    /// What a read did.
    enum ReadResult: BitwiseCopyable {
        /// This many bytes are in the buffer, one or more.
        case bytes(Int)
        /// Nothing now; it is worth trying again after this readiness.
        case blocked(Poller.Readiness)
        /// The peer has announced its end: no byte will follow.
        case end
        /// The connection is broken.
        case broken(Errno)
    }

    /// What a write did.
    enum WriteResult: BitwiseCopyable {
        /// All bytes were taken.
        case complete
        /// So many were taken; it is worth trying again after this readiness.
        case blocked(taken: Int, Poller.Readiness)
        /// The connection is broken.
        case broken(Errno)
    }

    /// Plain TCP.
    init(_ socket: consuming Socket) { self.socket = socket }

    /// Bytes that a read would return although the kernel has no edge for them. Plain TCP holds none.
    var holdsPlaintext: Bool { false }

    /// Reads into the worker's scratch memory.
    @inline(__always)
    func read(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        // The caller owns the memory.
        switch unsafe socket.read(into: buffer) {
        case .bytes(let count): .bytes(count)
        case .wouldBlock: .blocked(.readable)
        case .end: .end
        case .failed(let errno): .broken(errno)
        }
    }

    /// Looks at what the next read will return, and leaves it there: whoever reads this connection in the end has to be
    /// found first.
    func peek(into buffer: UnsafeMutableRawBufferPointer) -> ReadResult {
        // The caller owns the memory.
        switch unsafe socket.peek(into: buffer) {
        case .bytes(let count): .bytes(count)
        case .wouldBlock: .blocked(.readable)
        case .end: .end
        case .failed(let errno): .broken(errno)
        }
    }

    /// Writes what is taken at once.
    @inline(__always)
    func write(_ buffer: UnsafeRawBufferPointer) -> WriteResult {
        // The caller owns the memory.
        switch unsafe socket.write(buffer) {
        case .bytes(let count): unsafe count == buffer.count ? .complete : .blocked(taken: count, .writable)
        case .failed(let errno): .broken(errno)
        }
    }

    /// Writes two pieces, one behind the other, as far as they are taken at once.
    @inline(__always)
    func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> WriteResult {
        if second.count == 0 { return unsafe write(first) }
        if first.count == 0 { return unsafe write(second) }
        let total = first.count + second.count
        // The caller owns the memory.
        switch unsafe socket.write(first, second) {
        case .bytes(let count): return count == total ? .complete : .blocked(taken: count, .writable)
        case .failed(let errno): return .broken(errno)
        }
    }

    /// Passes the end of the stream on.
    func finishWriting() { socket.shutdownWrite() }

    /// Makes closing send a reset.
    func resetOnClose() { socket.resetOnClose() }

    /// The pending error, taken.
    func takeError() -> Errno? { socket.takeError() }

    /// What the kernel holds for it, if it says.
    func memory() -> Socket.Memory? { socket.memory() }

    /// Bounds what the kernel holds unsent, bytes.
    func boundUnsent(_ bytes: Int32) { try? socket.set(.notSentLowWater(bytes: bytes)) }

    /// Bounds what the kernel takes in before it is read, bytes; nil: it adapts to the traffic again.
    func boundReceiving(_ bytes: Int32?) {
        // A connection that is being reset refuses, and an old kernel refuses the second: it stays as it is.
        do throws(Errno) {
            if let bytes { try socket.set(.receiveBuffer(bytes: bytes)) } else { try socket.set(.adaptiveBuffers) }
        } catch {}
    }

    /// The local address, if the kernel still knows it.
    func localAddress() -> SocketAddress? { try? socket.localAddress() }

    /// Registers with the worker's poller, for good.
    func register(with poller: borrowing Poller, token: UInt64) throws(Errno) {
        try poller.add(socket.descriptor, token: token)
    }

    /// Registers under another token: what is ready now is told once more.
    func reregister(with poller: borrowing Poller, token: UInt64) throws(Errno) {
        try poller.change(socket.descriptor, token: token)
    }

    /// Puts it among the gathered connections, or back: what is ready now is told once more.
    func move(within poller: inout Poller, token: UInt64, gathered: Bool) throws(Errno) {
        try poller.move(socket.descriptor, token: token, gathered: gathered)
    }

    /// Takes the registration back: a copy of the descriptor in another process would keep it alive.
    func unregister(from poller: borrowing Poller) { poller.remove(socket.descriptor) }

    /// The descriptor's number, to pass a copy on.
    var descriptorNumber: Int32 { socket.descriptor.number }
}
