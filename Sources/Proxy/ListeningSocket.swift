import Model
import Syscalls

/// A listening socket of one worker, with what is to be done with its connections.
struct ListeningSocket: ~Copyable {
    let socket: Socket
    let spec: ListenerSpec
    /// The bound address, with the port the kernel picked where 0 was asked for.
    let bound: SocketAddress
}

/// What distinguishes one listener from another.
struct ListenerSpec: Sendable, Hashable, BitwiseCopyable {
    let direction: ConnectionDirection
    let address: SocketAddress
    /// For its counters, and to find its record in a newer snapshot.
    let slot: Int

    var isTransparent: Bool { direction != .listener }
}

extension ListeningSocket {
    /// Long: connections that wait here are served as soon as the worker turns, while a full queue drops SYNs, which
    /// clients repeat only after a second. The kernel caps it at net.core.somaxconn.
    static let backlog: Int32 = 4096

    /// Opens a socket that listens, known as `name` (by default as `spec` itself). Listening is the last step: from then
    /// on the host's rules send traffic here.
    static func open(
        _ spec: ListenerSpec, as name: ListenerSpec? = nil, options: ConnectionOptions
    ) throws(Errno) -> ListeningSocket {
        let family = spec.address.address.family
        // A proxy that is killed should lose this first: who finds its connection ended opens another one at once, and
        // would meet a listener that is about to go.
        let socket = try Socket(family: family).moved(toAtLeast: ProcessLimits.highDescriptor)
        // A port whose last connections are in TIME_WAIT can be listened on again.
        try socket.set(.reuseAddress)
        try socket.set(.reusePort)
        if family == .v6 { try socket.set(.v6Only) }
        if spec.isTransparent { try socket.set(.transparent(family)) }
        // Accepted sockets inherit these: no system call per connection.
        try options.apply(to: socket)
        try socket.bind(to: spec.address)
        try socket.listen(backlog: backlog)
        let bound = try socket.localAddress()
        return ListeningSocket(socket: socket, spec: name ?? spec, bound: bound)
    }
}

/// Carries a listening socket to its worker in a message, and back.
typealias ListenerParcel = Parcel<ListeningSocket>
