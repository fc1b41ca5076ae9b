import CLab
import Glibc
import Model
import Testing

@testable import Syscalls

/// What the kernel says, as `Socket` tells it.
@Suite(.timeLimit(.minutes(1))) struct SocketTests {
    /// Waits until the socket is ready for something.
    private func wait(_ socket: borrowing Socket, _ events: Int32) {
        var poll = pollfd(fd: socket.descriptor.number, events: Int16(events), revents: 0)
        // Sound: one structure, alive during the call.
        _ = unsafe Glibc.poll(&poll, 1, 10_000)
    }

    private func read(_ socket: borrowing Socket) -> Socket.ReadResult {
        wait(socket, POLLIN)
        // Sound: the memory lives for the closure.
        return unsafe withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { unsafe socket.read(into: $0) }
    }

    private func write(_ socket: borrowing Socket, _ count: Int) -> Socket.WriteResult {
        // Sound: the array outlives the closure.
        unsafe [UInt8](repeating: 1, count: count).withUnsafeBytes { unsafe socket.write($0) }
    }

    private func listener(_ address: IPAddress = .loopbackV4) throws -> Socket {
        let socket = try Socket(family: address.family)
        try socket.bind(to: SocketAddress(address, 0))
        try socket.listen(backlog: 8)
        return socket
    }

    private struct NothingToAccept: Error {}

    private func accept(from listening: borrowing Socket, expecting peer: SocketAddress?) throws -> Socket {
        guard let accepted = try listening.accept() else { throw NothingToAccept() }
        if let peer { #expect(accepted.peer == peer) }
        return accepted.take()
    }

    @Test(arguments: [IPAddress.loopbackV4, .loopbackV6])
    func connectsAcceptsAndNamesBothEnds(address: IPAddress) throws {
        let listening = try listener(address)
        let isEmpty = try listening.accept() == nil
        #expect(isEmpty)
        let client = try Socket(family: address.family)
        try client.connect(to: try listening.localAddress())
        wait(listening, POLLIN)
        let peer = try client.localAddress()
        let server = try accept(from: listening, expecting: peer)
        #expect(try server.localAddress() == listening.localAddress())
        #expect(client.takeError() == nil)
        guard
            case .wouldBlock = unsafe withUnsafeTemporaryAllocation(
                // Sound: the memory lives for the closure.
                byteCount: 8, alignment: 1, { unsafe client.read(into: $0) })
        else { Issue.record("nothing was sent"); return }
        guard case .bytes(5) = write(client, 5), case .bytes(5) = read(server) else { Issue.record("5 bytes"); return }
        client.shutdownWrite()
        guard case .end = read(server) else { Issue.record("FIN"); return }
        // The other direction is open.
        guard case .bytes(3) = write(server, 3), case .bytes(3) = read(client) else { Issue.record("3 bytes"); return }
    }

    @Test func aResetIsAFailure() throws {
        let listening = try listener()
        var client: Socket? = try Socket(family: .v4)
        try client?.connect(to: try listening.localAddress())
        wait(listening, POLLIN)
        let server = try accept(from: listening, expecting: nil)
        client?.resetOnClose()
        client = nil
        guard case .failed(.reset) = read(server) else { Issue.record("a reset"); return }
        guard case .failed(.brokenPipe) = write(server, 1) else { Issue.record("a broken pipe, and no signal"); return }
    }

    @Test func aRefusedConnectSaysSo() throws {
        let taken = try Socket(family: .v4)
        try taken.bind(to: SocketAddress(.loopbackV4, 0))
        let client = try Socket(family: .v4)
        do throws(Errno) {
            try client.connect(to: try taken.localAddress())
            wait(client, POLLOUT)
            #expect(client.takeError() == Errno(code: ECONNREFUSED))
        } catch {
            #expect(error == Errno(code: ECONNREFUSED))
        }
        #expect(client.takeError() == nil, "the error was taken")
    }

    @Test func aFullSocketTakesPartAndSaysSo() throws {
        let listening = try listener()
        let client = try Socket(family: .v4)
        try client.connect(to: try listening.localAddress())
        wait(listening, POLLIN)
        let server = try accept(from: listening, expecting: nil)
        var sent = 0
        while case .bytes(let count) = write(client, 1 << 20) {
            sent += count
            if count < 1 << 20 { break }
        }
        guard case .bytes(0) = write(client, 1) else { Issue.record("full"); return }
        var received = 0
        while received < sent, case .bytes(let count) = read(server) { received += count }
        #expect(received == sent)
    }

    @Test func aTakenPortIsAnError() throws {
        let listening = try listener()
        let address = try listening.localAddress()
        let other = try Socket(family: .v4)
        let error = #expect(throws: Errno.self) { try other.bind(to: address) }
        #expect(error == .addressInUse)
        #expect(error?.description == "address already in use (98)")
    }

    @Test func limitsOfTheProcess() throws {
        var limit = rlimit()
        // Sound: the structure outlives the call.
        #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(try ProcessLimits.raiseDescriptorLimit() == Int(clamping: limit.rlim_max))
        // Sound: the structure outlives the call.
        #expect(unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        #expect(limit.rlim_cur == limit.rlim_max)
        #expect((1...4096).contains(ProcessLimits.usableCores))
    }
}
