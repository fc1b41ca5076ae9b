import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// HTTP/2 with servers and clients of other people, in every combination with HTTP/1.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2PeersTests {
        private static func curl(_ daemon: Daemon, _ http2: Bool, _ arguments: [String]) throws -> String {
            let version = http2 ? "--http2-prior-knowledge" : "--http1.1"
            let result = try daemon.run(["curl", "-sS", "-m", "10", version] + arguments)
            try #require(result.status == .status(0), "\(arguments): \(result)")
            return result.output
        }

        @Test(arguments: [false, true], [false, true])
        func curlAndNginx(client: Bool, server: Bool) async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: server ? "http2" : "")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: \(server ? "http2" : "http1")")
            let format = "%{http_code} %{http_version} %{size_download}"
            for _ in 0..<3 {
                let one = try Self.curl(daemon, client, ["-w", " " + format, "http://\(web)/"])
                #expect(one == "nginx 200 \(client ? "2" : "1.1") 5")
                let file = daemon.folder.appendingPathComponent("got")
                _ = try Self.curl(daemon, client, ["-o", file.path, "http://\(web)/large"])
                #expect(try Data(contentsOf: file) == nginx.large)
                let part = try Self.curl(
                    daemon, client, ["-r", "5-9", "-o", "/dev/null", "-w", format, "http://\(web)/large"])
                #expect(part == "206 \(client ? "2" : "1.1") 5")
                #expect(try Self.curl(daemon, client, ["-I", "http://\(web)/large"]).contains("\(2 << 20)"))
                #expect(try Self.curl(daemon, client, ["-w", "%{http_code}", "http://\(web)/empty"]) == "204")
            }
            #expect(try await daemon.isAtRest())
        }

        @Test(arguments: [false, true])
        func bodiesGoUp(client: Bool) async throws {
            let server = try await PythonServer(in: FileManager.default.temporaryDirectory)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http1")
            let file = daemon.folder.appendingPathComponent("sent")
            let back = daemon.folder.appendingPathComponent("back")
            for size in [0, 1, 70_000, 3 << 20] {
                try Data((0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 4) }).write(to: file)
                // With a length, and without one.
                for source in [["--data-binary", "@\(file.path)"], ["-X", "POST", "-T", file.path]] {
                    _ = try Self.curl(daemon, client, source + ["-o", back.path, "http://\(web)/"])
                    #expect(try Data(contentsOf: back) == Data(contentsOf: file), "\(size)")
                }
            }
            #expect(server.counted == 8)
            #expect(try await daemon.isAtRest())
        }

        @Test(arguments: ["http1", "http2"])
        func h2loadWithoutAnError(server: String) async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: server == "http2" ? "http2" : "")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: \(server)", workers: 2)
            let result = try daemon.run(["h2load", "-t1", "-c8", "-m16", "-n5000", "http://\(web)/"])
            #expect(result.output.contains("5000 succeeded, 0 failed, 0 errored"), "\(result)")
            #expect(result.output.contains("status codes: 5000 2xx"), "\(result)")
            #expect(try await daemon.isAtRest())
            // Streams share a connection for each worker, until the server's limit of 128 is reached.
            if server == "http2" { #expect(try daemon.sum("apus_cluster_connections_total") <= 4) }
        }

        /// Frames of busy connections gather, whatever the server speaks; with the load that ends, and one request is
        /// served at once.
        @Test(arguments: ["http1", "http2"])
        func busyConnectionsGather(server: String) async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: server == "http2" ? "http2" : "")
            let (daemon, web) = try await Daemon.http(
                to: [nginx], cluster: ", protocol: \(server)", more: "gatherMax: 10ms")
            // How many there must be depends on how fast the machine is: in time any machine has gathered.
            var gathers = 0.0
            for _ in 0..<20 where gathers == 0 {
                let result = try daemon.run(["h2load", "-t1", "-c8", "-m32", "-n10000", "http://\(web)/"])
                #expect(result.output.contains("10000 succeeded, 0 failed, 0 errored"), "\(result)")
                gathers = try daemon.sum("apus_worker_gathers_total")
            }
            #expect(gathers > 0)
            let isOver = try await eventually {
                let before = try daemon.sum("apus_worker_gathers_total")
                try await Task.sleep(for: .milliseconds(50))
                return try daemon.sum("apus_worker_gathers_total") == before
            }
            #expect(isOver)
            #expect(try Self.curl(daemon, true, ["http://\(web)/"]) == "nginx")
            #expect(try await daemon.isAtRest())
        }

        @Test func nothingGathersWhereItIsOff() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: "http2")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: http2", more: "gatherMax: 0s")
            let result = try daemon.run(["h2load", "-t1", "-c8", "-m32", "-n10000", "http://\(web)/"])
            #expect(result.output.contains("10000 succeeded, 0 failed, 0 errored"), "\(result)")
            #expect(try daemon.sum("apus_worker_gathers_total") == 0)
        }

        /// nginx says GOAWAY after so many requests of a connection: what it has not looked at goes by another one.
        @Test func connectionsThatEndInOrder() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: "http2", requestsMax: 50)
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: http2")
            let result = try daemon.run(["h2load", "-t1", "-c4", "-m8", "-n3000", "http://\(web)/"])
            #expect(result.output.contains("status codes: 3000 2xx, 0 3xx, 0 4xx, 0 5xx"), "\(result)")
            #expect(try daemon.sum("apus_cluster_connections_total") >= 50)
            #expect(try await daemon.isAtRest())
        }

        @Test func reloadsInTheMiddle() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: "http2")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: http2", workers: 2)
            let configuration = daemon.http(web, to: [nginx.address], cluster: ", protocol: http2", workers: 2)
            let load = try LabProcess(
                ["h2load", "-t1", "-c8", "-m8", "-D2", "http://\(web)/"], directory: daemon.folder.path, label: "load")
            for index in 0..<5 { try await daemon.reload(configuration + "\n# \(index)") }
            _ = try load.wait(atMost: .seconds(20))
            #expect(load.output.contains(" 0 3xx, 0 4xx, 0 5xx"), "\(load.output)")
            #expect(load.output.contains(" 0 failed, 0 errored"), "\(load.output)")
            #expect(try await daemon.isAtRest())
        }

        @Test func onlyHTTP2() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory)
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: http1", speaks: "http2")
            let client = try Peer(to: web)
            try client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n")
            let answer = try client.receiveAll()
            // SETTINGS, WINDOW_UPDATE, GOAWAY with PROTOCOL_ERROR.
            #expect(answer.count > 17 && answer[3] == 4, "\(answer)")
            #expect(answer.suffix(17).prefix(4) == [0, 0, 8, 7] && answer.suffix(4) == [0, 0, 0, 1], "\(answer)")
            #expect(try await daemon.isAtRest())
        }
    }
}
