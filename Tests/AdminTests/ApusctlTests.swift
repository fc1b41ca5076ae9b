import Foundation
import Model
import Testing

@testable import Admin

/// The built program against a live admin server.
@Suite struct ApusctlTests {
    private func apusctl(_ arguments: String...) async throws -> CommandResult {
        // The test program stands beside the programs under test.
        let folder = URL(fileURLWithPath: try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .deletingLastPathComponent()
        return try await run(folder.appendingPathComponent("apusctl").path, arguments)
    }

    @Test func tablesShowWhatTheProxyHas() async throws {
        let proxy = try FakeProxy(.sample())
        proxy.shared.podConnections.add(7, at: proxy.podSlot("shop/cart"))
        proxy.workerStatistics[0].pods.add(
            2048, slot: proxy.podSlot("shop/cart"), counter: PodCounter.bytesSent.rawValue)
        var record = ConnectionRecord()
        record.client = .known("10.1.0.2:40000")
        record.originalDestination = .known("10.96.0.1:80")
        record.pod = Int32(proxy.podSlot("shop/cart"))
        let connection = ConnectionView(record: record, state: .open, idleNanoseconds: 0, bufferedBytes: 0)
        proxy.set { $0.connections = [connection] }
        try await withServer(proxy) { address in
            let pods = try await apusctl("pods", "--admin", "\(address)")
            let line = try #require(pods.output.split(separator: "\n").first { $0.hasPrefix("shop/cart") })
            let cells = line.split(separator: " ").map(String.init)
            #expect(cells.prefix(8) == ["shop/cart", "10.1.0.2,fd01::2", "7", "100", "0", "0", "2.0K", "0"])
            #expect(cells.dropFirst(8).allSatisfy { $0 == "-" }, "no requests, no resets")
            let clusters = try await apusctl("clusters", "--admin", "\(address)").output
            #expect(clusters.contains("10.2.0.3:5432") && clusters.contains("healthy"), "\(clusters)")
            let listeners = try await apusctl("listeners", "--admin", "\(address)").output
            #expect(listeners.contains("127.0.0.1:15001"), "\(listeners)")
            let connections = try await apusctl("connections", "--admin", "\(address)").output
            #expect(connections.contains("10.96.0.1:80") && connections.contains("open"), "\(connections)")
            let status = try await apusctl("status", "--admin", "\(address)").output
            #expect(status.contains("node-a (local)") && status.contains("serving"), "\(status)")
        }
    }

    @Test func tablesShowRequestsAndHowLongTheyTook() async throws {
        let proxy = try FakeProxy(.httpSample())
        for _ in 0..<99 { proxy.workerStatistics[0].countRequest(proxy.request()) }
        proxy.workerStatistics[1].countRequest(
            proxy.request {
                $0.status = 503
                $0.durationNanoseconds = 2_000_000_000
                $0.flags.add(.noEndpoint)
            })
        try await withServer(proxy) { address in
            func cells(_ command: String, _ name: String) async throws -> [String] {
                let output = try await apusctl(command, "--admin", "\(address)").output
                let line = try #require(output.split(separator: "\n").first { $0.hasPrefix(name) }, "\(output)")
                return line.split(separator: " ").map(String.init)
            }
            // 5.12 ms and 2 s, to a sixteenth.
            #expect(
                try await cells("routes", "v2").suffix(8) == [
                    "100", "0", "1", "0", "5.0ms/5.0ms/1.9s", "-", "no_endpoint", "1",
                ])
            #expect(try await cells("clusters", "web").suffix(4) == ["100", "1", "0", "5.0ms/5.0ms/1.9s"])
            #expect(try await cells("pods", "shop/cart").contains("5.0ms/5.0ms/1.9s"))
            #expect(try await cells("listeners", "outbound").suffix(6) == ["100", "0", "1", "-", "no_endpoint", "1"])
            let status = try await apusctl("status", "--admin", "\(address)").output
            #expect(status.contains("0 under way, 100 since the start"), "\(status)")
        }
    }

    @Test func jsonIsTheAdminAnswer() async throws {
        try await withServer(try FakeProxy(.sample())) { address in
            let result = try await apusctl("pods", "--json", "--admin", "\(address)")
            let pods = try JSONDecoder().decode([PodView].self, from: Data(result.output.utf8))
            #expect(pods.count == 3 && result.status == 0)
        }
    }

    @Test func explainAsksTheProxy() async throws {
        try await withServer(try FakeProxy(.sample())) { address in
            let result = try await apusctl(
                "explain", "--from", "shop/cart", "--to", "8.8.8.8:25", "--admin", "\(address)")
            #expect(result.status == 0)
            #expect(
                result.output.contains("verdict  reset: entry 2 of outbound of pod shop/cart denies it"), "\(result)")
            let bad = try await apusctl("explain", "--from", "nobody", "--to", "8.8.8.8:25", "--admin", "\(address)")
            #expect(bad.status == 1 && bad.errors.contains("from: nobody"), "\(bad)")
        }
    }

    @Test func explainWithAFileNeedsNoProxy() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString).yaml")
        try Data(
            """
            version: 1
            node: {name: n, mode: local}
            interception: {podCIDRs: [10.1.0.0/24]}
            pods:
              - {name: a/b, addresses: [10.1.0.2], outbound: [{match: {ports: [25]}, deny: true}]}
            """.utf8
        ).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let result = try await apusctl("explain", "--from", "a/b", "--to", "8.8.8.8:25", "--config", file.path)
        #expect(result.status == 0 && result.output.contains("verdict  reset: entry 0"), "\(result)")
        #expect(try await apusctl("config", "check", file.path).status == 0)
        try Data("version: 1\nnode: {name: n, mode: nowhere}\nbogus: 1\n".utf8).write(to: file)
        let bad = try await apusctl("config", "check", file.path)
        #expect(bad.status == 78)
        #expect(bad.errors.contains("\(file.path):2:") && bad.errors.contains("\(file.path):3:1: "), "\(bad.errors)")
    }

    @Test func noProxyIsAClearError() async throws {
        // The port of a listener that is gone again.
        let address = try await OtherListener.closedAddress()
        for command in ["status", "pods", "clusters", "routes", "listeners", "connections"] {
            let result = try await apusctl(command, "--admin", "\(address)")
            #expect(result.status == 1)
            #expect(
                result.errors
                    == "apusctl: \(address): connection refused: is apusd running, and is this its admin port?\n")
        }
        #expect(try await apusctl("status", "--admin", "nonsense").status == 64)
    }

    @Test func aTerminalCannotBeSteeredByNames() async throws {
        var configuration = Configuration.sample()
        configuration.pods.append(Configuration.Pod(name: "x\u{1b}[2Jy", addresses: [.known("10.1.0.9")]))
        try await withServer(try FakeProxy(configuration)) { address in
            let result = try await apusctl("pods", "--admin", "\(address)")
            #expect(!result.output.contains("\u{1b}") && result.output.contains("x?[2Jy"))
        }
    }
}
