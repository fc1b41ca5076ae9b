import Model
import NIOCore
import NIOPosix

/// A listening socket of some other program: without SO_REUSEPORT.
struct OtherListener {
    let address: Model.SocketAddress
    fileprivate let channel: any Channel

    init() throws {
        channel = try ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).wait()
        address = Model.SocketAddress(.loopbackV4, UInt16(clamping: channel.localAddress?.port ?? 0))
    }
}

extension OtherListener {
    /// An address where nobody listens, though somebody just did.
    static func closedAddress() async throws -> Model.SocketAddress {
        let listener = try OtherListener()
        try await listener.channel.close().get()
        return listener.address
    }
}
