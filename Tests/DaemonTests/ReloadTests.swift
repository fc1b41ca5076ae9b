import Foundation
import Glibc
import Loopback
import Model
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// `apusd` gets another configuration while it runs.
    @Suite(.timeLimit(.minutes(2))) struct ReloadTests {
        private func answer(_ address: SocketAddress) -> String? {
            guard let peer = try? Peer(to: address) else { return nil }
            return try? peer.receive(asLongAs: "x")
        }

        @Test func byAFileChangeAndBySIGHUP() async throws {
            let daemon = try Daemon()
            let (a, b, web) = (try Server.greeter("a"), try Server.greeter("b"), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [a.address]))
            try await daemon.startServing()
            let live = try Peer(to: web)
            #expect(try live.receive(asLongAs: "a") == "a")

            try daemon.write(daemon.text(web: web, to: [b.address]))
            #expect(await eventually { answer(web) == "b" })
            try live.send("still")
            #expect(try live.receive(asLongAs: "still") == "still")

            // A SIGHUP reads it although nothing has changed, and opens the access log anew.
            let log = daemon.folder.appendingPathComponent("access.log")
            #expect(await eventually { !daemon.accessLog.isEmpty })
            try FileManager.default.moveItem(at: log, to: daemon.folder.appendingPathComponent("old.log"))
            daemon.process?.signal(SIGHUP)
            #expect(await eventually { FileManager.default.fileExists(atPath: log.path) })
            #expect(await eventually { daemon.process?.errors.contains("SIGHUP") == true })
            #expect(answer(web) == "b")
        }

        @Test func throughAnAtomicallyReplacedSymbolicLink() async throws {
            let daemon = try Daemon()
            let (a, b, web) = (try Server.greeter("a"), try Server.greeter("b"), try freeAddress())
            // As kubelet mounts a ConfigMap: apus.yaml -> ..data/apus.yaml, ..data -> ..1
            let files = FileManager.default
            for (name, server) in [("..1", a), ("..2", b)] {
                let folder = daemon.folder.appendingPathComponent(name)
                try files.createDirectory(at: folder, withIntermediateDirectories: true)
                try Data(daemon.text(web: web, to: [server.address]).utf8).write(
                    to: folder.appendingPathComponent("apus.yaml"))
            }
            let data = daemon.folder.path + "/..data"
            try files.createSymbolicLink(atPath: data, withDestinationPath: "..1")
            try files.createSymbolicLink(atPath: daemon.file.path, withDestinationPath: "..data/apus.yaml")
            try await daemon.startServing()
            #expect(answer(web) == "a")
            try files.createSymbolicLink(atPath: data + "_tmp", withDestinationPath: "..2")
            // Sound: both texts live for the call.
            let status = unsafe rename(data + "_tmp", data)
            #expect(status == 0)
            #expect(await eventually { answer(web) == "b" })
        }

        @Test func aBadFileChangesNothingAndIsSeen() async throws {
            let daemon = try Daemon()
            let (a, web) = (try Server.greeter("a"), try freeAddress())
            let good = daemon.text(web: web, to: [a.address])
            try daemon.write(good)
            try await daemon.startServing()
            let refused = try #require(try refusals(daemon))
            try daemon.write(good + "nonsense: true\n")
            #expect(try await eventually { try refusals(daemon) == refused + 1 })
            let ready = try daemon.get("/ready")
            #expect(ready.status == 200 && ready.body.contains("nonsense"), "\(ready)")
            #expect(answer(web) == "a")

            // A listener that cannot be opened is refused as well.
            let taken = try Acceptor()
            try daemon.write(daemon.text(web: taken.address, to: [a.address]))
            #expect(try await eventually { try refusals(daemon) == refused + 2 })
            #expect(try daemon.get("/ready").body.contains("already in use"))
            #expect(answer(web) == "a")

            try daemon.write(good + "drainTimeout: 1s\n")
            #expect(try await eventually { try !daemon.get("/ready").body.contains("refused") })
            #expect(answer(web) == "a")
        }

        /// Configurations refused, by the metric.
        private func refusals(_ daemon: Daemon) throws -> Int? {
            let lines = try daemon.get("/metrics").body.split(separator: "\n")
            let line = lines.first { $0.hasPrefix("apus_config_reloads_total") && $0.contains("refused") }
            return line?.split(separator: " ").last.flatMap { Int($0) }
        }
    }
}
