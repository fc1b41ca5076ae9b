import FoundationEssentials
import Glibc
import Logging
import Model
import NIOCore
import NIOHTTP1
import NIOPosix

/// The admin API's HTTP/1.1 server: one thread, off the data path.
///
/// On plain SwiftNIO: an idle server of a web framework measured 28.9 MB resident, one of plain SwiftNIO 12.5 MB, and
/// the whole proxy has a budget of 25 MB. The port is opened with SO_REUSEPORT, so that the next generation of the
/// process can open it before this one lets go. Hostile input meets the decoder's limits, a limit on connections and a
/// time limit on silence.
public final class AdminServer: Sendable {
    /// Why the port could not be opened.
    public struct BindError: Error, CustomStringConvertible {
        /// `admin: ADDR:PORT: cause`, with what to do.
        public let description: String
    }

    private let api: any AdminResponder
    private let name: String
    private let place: Place
    private let logger: Logger

    /// Where it listens.
    private enum Place: CustomStringConvertible {
        case address(Model.SocketAddress)
        /// A Unix socket that only its owner may connect to.
        case path(String)

        var description: String {
            switch self {
            case .address(let address): "\(address)"
            case .path(let path): path
            }
        }
    }

    /// Connections at once; one more is closed at once. A scraper, a kubelet and a few operators need ten.
    private static let connectionsMax = 64
    /// A connection that is silent for this long is closed.
    private static let idleTimeout = TimeAmount.seconds(10)
    /// No connection lasts longer, however slowly it drips: half-sent requests must not keep a kubelet's probe out.
    fileprivate static let ageMax = TimeAmount.seconds(30)
    /// No request of the API has a body; a client that sends one may do so up to this many bytes.
    static let bodyBytesMax = 16 << 10

    private static let reusePort = NIOBSDSocket.Option(rawValue: SO_REUSEPORT)

    typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    /// A server for `proxy` on `address` (port 0: the kernel picks one).
    ///
    /// - Parameters:
    ///   - logLevel: what `POST /log-level` changes; nil: it is refused.
    ///   - accessLog: whose counts `GET /metrics` shows.
    public init(
        inspecting proxy: any ProxyInspecting, address: Model.SocketAddress, readiness: Readiness, logger: Logger,
        logLevel: ProcessLogLevel? = nil, accessLog: AccessLogWriter? = nil
    ) {
        let clock: @Sendable () -> Readiness.Now = {
            Readiness.Now(
                // CLOCK_MONOTONIC, the clock of the workers' heartbeats.
                monotonicMilliseconds: Int(NIODeadline.now().uptimeNanoseconds / 1_000_000),
                unixSeconds: WallClock.unixSeconds())
        }
        api = AdminAPI(
            proxy: proxy, readiness: readiness, logLevel: logLevel, accessLog: accessLog, logger: logger, clock: clock)
        place = .address(address)
        self.logger = logger
        name = "admin"
    }

    /// A server of another API, called `name` in messages.
    package init(_ api: any AdminResponder, name: String, address: Model.SocketAddress, logger: Logger) {
        self.api = api
        self.name = name
        place = .address(address)
        self.logger = logger
    }

    /// The same on a Unix socket, for the user of this process alone. One that is there is replaced.
    package init(_ api: any AdminResponder, name: String, path: String, logger: Logger) {
        self.api = api
        self.name = name
        place = .path(path)
        self.logger = logger
    }

    /// Serves until the task is cancelled. `onBound` is told the address, with the port the kernel picked.
    ///
    /// - Throws: `BindError` when the port cannot be opened.
    public func run(onBound: @Sendable (Model.SocketAddress) -> Void = { _ in }) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let server = try await bind(group)
            if case .address(let address) = place {
                let port = server.channel.localAddress?.port ?? 0
                let bound = Model.SocketAddress(address.address, UInt16(clamping: port))
                logger.info("\(name) API listens", metadata: ["address": "\(bound)"])
                onBound(bound)
            }
            try await serve(server)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }

    private func bind(_ group: MultiThreadedEventLoopGroup) async throws -> NIOAsyncChannel<Connection, Never> {
        let bootstrap = ServerBootstrap(group: group).serverChannelOption(.backlog, value: 64)
        do {
            switch place {
            case .address(let address):
                return
                    try await bootstrap
                    .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                    .serverChannelOption(.socketOption(Self.reusePort), value: 1)
                    .bind(
                        to: NIOCore.SocketAddress(ipAddress: address.address.description, port: Int(address.port))
                    ) { channel in
                        channel.eventLoop.makeCompletedFuture { try Self.configure(channel) }
                    }
            case .path(let path):
                let server = try await bootstrap.bind(
                    unixDomainSocketPath: path, cleanupExistingSocketFile: true
                ) { channel in
                    channel.eventLoop.makeCompletedFuture { try Self.configure(channel) }
                }
                // Its directory is shut to others already.
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
                return server
            }
        } catch let error as IOError {
            throw BindError(description: "\(name): \(place): \(cause(error))")
        }
    }

    private func cause(_ error: IOError) -> String {
        switch error.errnoCode {
        case EADDRINUSE: "address in use: another one runs? set \(name).port"
        case EACCES, EPERM: "permission denied: a port below 1024 needs CAP_NET_BIND_SERVICE; set \(name).port"
        case EADDRNOTAVAIL: "no such address on this host: set \(name).address"
        default: "\(error)"
        }
    }

    private static func configure(_ channel: any Channel) throws -> Connection {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: true, withErrorHandling: true)
        try pipeline.addHandler(IdleStateHandler(allTimeout: idleTimeout))
        try pipeline.addHandler(CloseWhenIdle())
        return try Connection(wrappingChannelSynchronously: channel)
    }

    private func serve(_ server: NIOAsyncChannel<Connection, Never>) async throws {
        let live = ConnectionCount(max: Self.connectionsMax)
        do {
            try await withThrowingDiscardingTaskGroup { group in
                try await server.executeThenClose { connections in
                    for try await connection in connections {
                        group.addTask { await self.serve(connection, live) }
                    }
                }
            }
        } catch is CancellationError {
            return
        }
    }

    /// One connection. Its troubles are its own: a peer that breaks off is no event.
    private func serve(_ connection: Connection, _ live: ConnectionCount) async {
        guard live.take() else {
            try? await connection.executeThenClose { _, _ in }
            return
        }
        defer { live.giveBack() }
        do {
            try await connection.executeThenClose { inbound, outbound in
                try await AdminExchange(api: api).run(inbound, outbound)
            }
        } catch {
            logger.debug("admin connection ended", metadata: ["error": "\(error)"])
        }
    }
}

/// Closes the channel when `IdleStateHandler` says so, or when it is too old.
private final class CloseWhenIdle: ChannelInboundHandler {
    typealias InboundIn = Any

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        context.eventLoop.scheduleTask(in: AdminServer.ageMax) { channel.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is IdleStateHandler.IdleStateEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
