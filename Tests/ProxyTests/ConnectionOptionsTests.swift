import Glibc
import Model
import Syscalls
import Testing

@testable import Proxy

/// What keeps half-closed connections alive and bounds what the kernel holds is set on both sides of every tunnel:
/// accepted sockets take it from their listener, without a system call for each.
@Suite(.timeLimit(.minutes(1))) struct ConnectionOptionsTests {
    private struct NothingToAccept: Error {}

    private func value(_ socket: borrowing Socket, _ level: Int32, _ option: Int32) -> Int32 {
        var value: Int32 = -1
        var size = socklen_t(MemoryLayout<Int32>.size)
        // Sound: the kernel writes one number, and both variables outlive the call.
        _ = unsafe getsockopt(socket.descriptor.number, level, option, &value, &size)
        return value
    }

    private func check(_ socket: borrowing Socket, _ side: Comment) {
        let tcp = Int32(IPPROTO_TCP)
        let found = [
            value(socket, SOL_SOCKET, SO_KEEPALIVE), value(socket, tcp, TCP_KEEPIDLE),
            value(socket, tcp, TCP_KEEPINTVL),
            value(socket, tcp, TCP_KEEPCNT), value(socket, tcp, TCP_USER_TIMEOUT),
            value(socket, tcp, TCP_NOTSENT_LOWAT),
            value(socket, tcp, TCP_NODELAY), value(socket, SOL_SOCKET, SO_OOBINLINE),
        ]
        #expect(found == [1, 30, 10, 6, 90_000, 128 << 10, 1, 1], side)
    }

    @Test func bothSidesHaveThem() throws {
        let spec = ListenerSpec(direction: .listener, address: SocketAddress(.loopbackV4, 0), slot: 2)
        let listening = try ListeningSocket.open(spec, options: ConnectionOptions())
        let client = try Socket(family: .v4)
        try ConnectionOptions().apply(to: client)
        check(client, "the upstream side")
        try client.connect(to: listening.bound)
        var poll = pollfd(fd: listening.socket.descriptor.number, events: Int16(POLLIN), revents: 0)
        // Sound: one structure, alive during the call.
        _ = unsafe Glibc.poll(&poll, 1, 10_000)
        guard let accepted = try listening.socket.accept() else { throw NothingToAccept() }
        check(accepted.take(), "the accepted side")
    }
}
