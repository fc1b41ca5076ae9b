import Glibc
import Model
import Testing

@testable import Syscalls

/// What the kernel holds for a connection, and how that is bounded.
@Suite(.timeLimit(.minutes(1))) struct SocketMemoryTests {
    private struct NothingToAccept: Error {}

    private struct Pair: ~Copyable {
        let client: Socket
        let server: Socket

        init() throws {
            let listening = try Socket(family: .v4)
            try listening.bind(to: SocketAddress(.loopbackV4, 0))
            try listening.listen(backlog: 8)
            let client = try Socket(family: .v4)
            try client.connect(to: try listening.localAddress())
            var poll = pollfd(fd: listening.descriptor.number, events: Int16(POLLIN), revents: 0)
            // Sound: one structure, alive during the call.
            _ = unsafe Glibc.poll(&poll, 1, 10_000)
            guard let accepted = try listening.accept() else { throw NothingToAccept() }
            self.client = client
            server = accepted.take()
        }
    }

    /// Writes until the kernel takes no more.
    private func fill(_ socket: borrowing Socket) -> Int {
        let bytes = [UInt8](repeating: 1, count: 64 << 10)
        var sum = 0
        // Sound: the array outlives the closure.
        while case .bytes(let count) = unsafe bytes.withUnsafeBytes({ unsafe socket.write($0) }), count > 0 {
            sum += count
        }
        return sum
    }

    private func memory(of socket: borrowing Socket) -> Socket.Memory {
        guard let memory = socket.memory() else {
            Issue.record("the kernel does not say")
            return Socket.Memory(received: 0, sent: 0)
        }
        return memory
    }

    /// Reads until there is nothing.
    private func drain(_ socket: borrowing Socket) -> Int {
        // Sound: the memory lives for the closure.
        unsafe withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 1) { buffer in
            var sum = 0
            while case .bytes(let count) = unsafe socket.read(into: buffer) { sum += count }
            return sum
        }
    }

    @Test func unreadAndUnsentBytesCount() throws {
        let pair = try Pair()
        let empty = memory(of: pair.client)
        #expect(empty.received == 0 && empty.sent == 0)
        let count = fill(pair.client)
        let (sent, received) = (memory(of: pair.client).sent, memory(of: pair.server).received)
        #expect(sent + received >= count, "\(count) bytes, \(sent) at the sender, \(received) at the receiver")
    }

    @Test func aSinkTakesNoMoreThanItsLowWater() throws {
        let pair = try Pair()
        try pair.client.set(.notSentLowWater(bytes: 128 << 10))
        // What is in flight comes on top; the receiver takes 64 KiB at first.
        #expect(fill(pair.client) < 512 << 10)
    }

    /// The window was advertised when the bound was larger: what comes is dropped, and sent again when there is room.
    @Test func aBoundHoldsAtOnceAndLosesNothing() throws {
        let pair = try Pair()
        var (sent, received) = (0, 0)
        // Reading fast widens the window to megabytes.
        for _ in 0..<200 {
            sent += fill(pair.client)
            received += drain(pair.server)
        }
        received += drain(pair.server)
        try pair.server.set(.receiveBuffer(bytes: 64 << 10))
        for _ in 0..<50 {
            sent += fill(pair.client)
            usleep(1000)
        }
        let held = memory(of: pair.server).received
        #expect(held <= 192 << 10, "\(held) bytes: twice 64 KiB, and a segment")
        try pair.server.set(.adaptiveBuffers)
        pair.client.shutdownWrite()
        let deadline = ContinuousClock.now + .seconds(20)
        while received < sent, ContinuousClock.now < deadline {
            received += drain(pair.server)
            usleep(1000)
        }
        #expect(received == sent)
    }
}
