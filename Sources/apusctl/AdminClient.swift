import ArgumentParser
import Foundation
import Model
import NIOCore
import NIOHTTP1
import NIOPosix

/// Asks the admin API of a running proxy, or guard: one request, one connection.
struct AdminClient {
    let place: Place
    /// The program that is asked, for messages.
    var program = "apusd"

    /// Where it listens.
    enum Place: CustomStringConvertible {
        case address(Model.SocketAddress)
        /// A Unix socket.
        case path(String)

        var description: String {
            switch self {
            case .address(let address): "\(address)"
            case .path(let path): path
            }
        }

        /// What to do when nobody answers.
        func advice(_ program: String) -> String {
            switch self {
            case .address: "is \(program) running, and is this its admin port?"
            case .path: "is \(program) running, and are you root on its host?"
            }
        }
    }

    /// Why there is no answer, with what to do.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    struct Response: Sendable {
        var status: Int
        var body: [UInt8]
    }

    private static let connectTimeout = TimeAmount.seconds(3)
    /// `GET /connections` waits a second for a worker that hangs.
    private static let responseTimeout = Duration.seconds(10)
    /// 100,000 connections are 50 MB.
    private static let bodyBytesMax = 256 << 20

    /// GET `path`, which holds its query.
    func get(_ path: String) async throws -> Response { try await request(.GET, path) }

    /// Any request without a body.
    func request(_ method: HTTPMethod, _ path: String) async throws -> Response {
        do {
            return try await withThrowingTaskGroup { group in
                group.addTask { try await exchange(method, path) }
                group.addTask {
                    try await Task.sleep(for: Self.responseTimeout)
                    throw Failure(description: "\(place): no answer within \(Self.responseTimeout)")
                }
                defer { group.cancelAll() }
                guard let response = try await group.next() else { throw CancellationError() }
                return response
            }
        } catch let failure as Failure {
            throw failure
        } catch {
            throw Failure(description: "\(place): \(Self.cause(error)): \(place.advice(program))")
        }
    }

    private func exchange(_ method: HTTPMethod, _ path: String) async throws -> Response {
        let channel = try await connect()
        return try await channel.executeThenClose { inbound, outbound in
            let head = HTTPRequestHead(
                version: .http1_1, method: method, uri: path,
                headers: ["host": "admin", "connection": "close", "user-agent": "apusctl"])
            try await outbound.write(contentsOf: [.head(head), .end(nil)])
            return try await Self.response(inbound)
        }
    }

    private func connect() async throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(Self.connectTimeout)
        switch place {
        case .address(let address):
            return try await bootstrap.connect(host: address.address.description, port: Int(address.port)) { channel in
                channel.eventLoop.makeCompletedFuture { try Self.configure(channel) }
            }
        case .path(let path):
            return try await bootstrap.connect(unixDomainSocketPath: path) { channel in
                channel.eventLoop.makeCompletedFuture { try Self.configure(channel) }
            }
        }
    }

    private static func configure(
        _ channel: any Channel
    ) throws -> NIOAsyncChannel<HTTPClientResponsePart, HTTPClientRequestPart> {
        try channel.pipeline.syncOperations.addHTTPClientHandlers()
        return try NIOAsyncChannel(wrappingChannelSynchronously: channel)
    }

    private static func response(
        _ inbound: NIOAsyncChannelInboundStream<HTTPClientResponsePart>
    ) async throws -> Response {
        var response = Response(status: 0, body: [])
        for try await part in inbound {
            switch part {
            case .head(let head): response.status = Int(head.status.code)
            case .body(let bytes):
                response.body += bytes.readableBytesView
                guard response.body.count <= bodyBytesMax else {
                    throw Failure(description: "the answer is longer than \(bodyBytesMax) bytes")
                }
            case .end: return response
            }
        }
        throw Failure(description: "the answer ended early")
    }

    private static func cause(_ error: any Error) -> String {
        if let error = error as? IOError { return text(error.errnoCode) }
        guard let error = error as? NIOConnectionError, let first = error.connectionErrors.first else {
            return "\(error)"
        }
        if let cause = first.error as? IOError { return text(cause.errnoCode) }
        return "\(first.error)"
    }

    private static func text(_ code: CInt) -> String {
        // Sound: glibc's text is static or of this thread, and is copied at once.
        unsafe String(cString: strerror(code)).lowercased()
    }
}

/// The options of every command that asks a running proxy.
struct AdminOptions: ParsableArguments {
    @Option(help: "The proxy's admin address.")
    var admin = "127.0.0.1:15000"

    @Flag(help: "Print the admin API's JSON.")
    var json = false

    func validate() throws {
        guard Model.SocketAddress(admin) != nil else {
            throw ValidationError("--admin: \(admin): expected ADDR:PORT or [IPv6]:PORT")
        }
    }

    /// The answer to `path`; as it is for `--json`, else decoded and put into words. Exits with 1 when there is none.
    func show<View: Decodable>(_ path: String, as view: View.Type, _ words: (View) -> String) async throws {
        let body: [UInt8]
        do {
            body = try await ask(path)
            print(json ? Self.text(body) : words(try JSONDecoder().decode(View.self, from: Data(body))))
        } catch {
            standardError("apusctl: \(error)")
            throw ExitCode.failure
        }
    }

    private func ask(_ path: String) async throws -> [UInt8] {
        guard let address = Model.SocketAddress(admin) else { throw ValidationError("--admin: \(admin)") }
        let response = try await AdminClient(place: .address(address)).get(path)
        guard response.status == 200 else {
            let said = try? JSONDecoder().decode(Refusal.self, from: Data(response.body))
            throw AdminClient.Failure(description: said?.error ?? "\(admin): \(path): status \(response.status)")
        }
        return response.body
    }

    private struct Refusal: Decodable {
        let error: String
    }

    /// `print` adds the line break that the body ends with.
    private static func text(_ body: [UInt8]) -> String {
        String(decoding: body.last == UInt8(ascii: "\n") ? body.dropLast() : body[...], as: UTF8.self)
    }
}
