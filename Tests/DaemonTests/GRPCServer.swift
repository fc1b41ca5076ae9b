import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess
import enum Lab.Programs

/// A real grpcio server (`Tests/GRPC/server.py`). Ended when released.
final class GRPCServer: Listening {
    let address: SocketAddress
    private let process: LabProcess

    /// `name`: what it calls itself in each call's metadata.
    init(name: String = "server", at given: SocketAddress? = nil) async throws {
        let command = try Programs.grpc("server.py", ["\(given ?? SocketAddress(.loopbackV4, 0))", name])
        process = try LabProcess(
            command, directory: FileManager.default.temporaryDirectory.path, label: "grpc-\(UUID().uuidString)")
        let process = process
        _ = await eventually { process.output.hasSuffix("\n") || !process.isRunning }
        address = SocketAddress(.loopbackV4, try #require(UInt16(process.output.dropLast()), "\(process.errors)"))
    }

    deinit {
        kill()
        for path in [process.outputPath, process.errorPath] { try? FileManager.default.removeItem(atPath: path) }
    }

    /// As a crash would.
    func kill() {
        process.signal(SIGKILL)
        _ = try? process.wait()
    }
}

extension Daemon {
    /// Starts it with a listener that speaks HTTP/2, in front of servers that do.
    static func grpc(
        to servers: [GRPCServer], route: String = "", cluster: String = "", rules: [String]? = nil, workers: Int = 1,
        more: String = ""
    ) async throws -> (daemon: Daemon, web: SocketAddress) {
        try await http(
            to: servers, route: route, cluster: ", protocol: http2" + cluster, speaks: "http2", rules: rules,
            workers: workers, more: more)
    }

    /// Runs a test of `Tests/GRPC/client.py`; the lines that it wrote before `done`.
    @discardableResult
    func grpc(
        _ test: String, _ web: SocketAddress, _ arguments: [String] = [], within limit: Duration = .seconds(50),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [String] {
        let result = try run(try Programs.grpc("client.py", [test, "\(web)"] + arguments), within: limit)
        #expect(
            result.status == .status(0) && result.output.hasSuffix("done\n"), "\(test): \(result)",
            sourceLocation: sourceLocation)
        return result.output.split(separator: "\n").dropLast().map(String.init)
    }
}

/// What `load` of `Tests/GRPC/client.py` saw.
struct GRPCLoad: Decodable {
    var calls: Int
    var failures: [String]
    /// How streams have ended, by server and status.
    var streams: [String: [String: Int]]
    /// Calls by the server that answered.
    var servers: [String: Int]
    var slowest: Double

    init(_ output: String) throws {
        let line = try #require(output.split(separator: "\n").first { $0.hasPrefix("{") }, "\(output)")
        self = try JSONDecoder().decode(GRPCLoad.self, from: Data(line.utf8))
    }
}
