import Foundation
import Glibc
import Loopback
import Model
import Testing

import class Lab.LabProcess

private let connectionReset: Int32 = 104

extension RunningDaemon {
    /// How `apusd` ends, and what it does when the host is short of something.
    @Suite(.timeLimit(.minutes(2))) struct EndTests {
        @Test func aDrainWaitsForLiveConnections() async throws {
            let daemon = try Daemon()
            let (server, web) = (try Server.echo(), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [server.address], "drainTimeout: 60s"))
            try await daemon.startServing()
            let live = try Peer(to: web)
            try live.send("x")
            #expect(try live.receive().count == 1)
            daemon.process?.signal(SIGTERM)
            #expect(await eventually { (try? Peer(to: web)) == nil })
            #expect(try daemon.get("/ready").status == 503)
            try live.send("last words")
            #expect(try live.receive(asLongAs: "last words") == "last words")
            live.shutdownWrite()
            #expect(live.end() == nil)
            #expect(try daemon.exit().status == .status(0))
            // The line of the last connection is not lost.
            #expect(daemon.accessLog.contains { $0.contains("\"bytesSent\":11") }, "\(daemon.accessLog)")
        }

        @Test func whatOutlastsTheDrainIsReset() async throws {
            let daemon = try Daemon()
            let (server, web) = (try Server.echo(), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [server.address], "drainTimeout: 300ms"))
            try await daemon.startServing()
            let live = try Peer(to: web)
            try live.send("x")
            #expect(try live.receive().count == 1)
            daemon.process?.signal(SIGTERM)
            #expect(live.end() == connectionReset)
            #expect(try daemon.exit().status == .status(0))
            #expect(daemon.accessLog.count == 1 && daemon.accessLog.allSatisfy { $0.contains("DRAIN") })
        }

        @Test func aSecondSignalEndsItAtOnce() async throws {
            let daemon = try Daemon()
            let (server, web) = (try Server.echo(), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [server.address], "drainTimeout: 600s"))
            try await daemon.startServing()
            let live = try Peer(to: web)
            try live.send("x")
            #expect(try live.receive().count == 1)
            daemon.process?.signal(SIGTERM)
            #expect(await eventually { daemon.process?.errors.contains("draining") == true })
            daemon.process?.signal(SIGTERM)
            #expect(try daemon.exit(within: .seconds(5)).status == .status(0))
        }

        @Test func withoutDescriptorsItPausesAndComesBack() async throws {
            let daemon = try Daemon()
            let (server, web) = (try Server.greeter("x"), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [server.address]))
            try await daemon.startServing()
            let pid = try #require(daemon.process).pid
            // A reload first, which waits by a timer: the runtime makes the descriptors for that on first use, and traps
            // when it cannot. Shortage at start is another matter than shortage while serving.
            try daemon.write(daemon.text(web: web, to: [server.address], "drainTimeout: 7s"))
            let isReloaded = try await eventually { try daemon.metric("apus_config_generation") == 2 }
            try #require(isReloaded)
            // No new descriptor: what it has open stays open, and its workers think there is room for more.
            try limit(pid, 3)
            let clients = try (0..<50).map { _ in try Peer(to: web) }
            let before = try daemon.cpuSeconds()
            let start = ContinuousClock.now
            // Long enough for a spin to show: a second of CPU against a few ticks.
            try await Task.sleep(for: .seconds(1))
            let spent = try daemon.cpuSeconds() - before
            #expect(spent < 0.3, "\(spent) s of CPU in \(ContinuousClock.now - start)")
            try limit(pid, 4096)
            for client in clients {
                let answer = try? client.receive(asLongAs: "x")
                #expect(answer == "x", "\(daemon.accessLog)")
            }
            #expect(daemon.process?.exit == nil, "\(daemon.process?.errors ?? "")")
            let metrics = try daemon.get("/metrics").body.split(separator: "\n")
            #expect(metrics.contains { $0.contains("accept") && !$0.hasPrefix("#") && !$0.hasSuffix(" 0") })
        }

        private func limit(_ pid: Int32, _ descriptors: Int) throws {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
            process.arguments = ["prlimit", "--pid", "\(pid)", "--nofile=\(descriptors):"]
            try process.run()
            process.waitUntilExit()
            #expect(process.terminationStatus == 0)
        }
    }
}
