import Glibc
import Loopback
import Model
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// One generation of `apusd` after the other, under traffic.
    @Suite(.timeLimit(.minutes(4))) struct TakeOverTests {
        @Test func liveConnectionsMoveTenTimesAndNothingIsLost() async throws {
            let daemon = try Daemon()
            let (acceptor, web) = (try Acceptor(), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [acceptor.address], "drainTimeout: 20s"))
            try await daemon.startServing()
            let count = 2000
            let load = try StreamLoad(count, to: web, acceptor, interval: 1_000_000_000)
            // The first messages of all connections, before anything is measured.
            #expect(await eventually { load.takeReport().received >= 2 * count })
            _ = load.takeReport()
            var last = 0.0
            for round in 1...10 {
                try await daemon.takeOver()
                let report = load.takeReport()
                #expect(report.faults.isEmpty, "round \(round): \(report.faults)")
                // A batch stands still for milliseconds; ten times what is promised, because this machine does other things.
                #expect(report.worstDelay < 1_000_000_000, "round \(round): \(report.worstDelay) ns")
                #expect(try daemon.metric("apus_connections_active") == Double(count))
                let connections = try daemon.sum("apus_connections_total")
                let bytes = try daemon.sum("apus_bytes_total")
                #expect(connections == Double(count), "round \(round)")
                #expect(bytes >= last, "round \(round): \(bytes) after \(last)")
                last = bytes
                print("take-over \(round): worst delay of a message \(report.worstDelay / 1_000_000) ms")
            }
            let report = load.takeReport()
            #expect(report.faults.isEmpty && report.received > count * 10, "\(report)")
            load.stop()
        }

        /// In the middle of a hand-over, when the new process serves and the old one still waits for its last handshakes.
        private func inTheMiddle(_ body: (Daemon, _ old: LabProcess, _ new: LabProcess) async throws -> Void)
            async throws
        {
            let daemon = try Daemon()
            let (acceptor, web) = (try Acceptor(), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [acceptor.address], "drainTimeout: 20s"))
            try await daemon.startServing()
            let load = try StreamLoad(100, to: web, acceptor, interval: 100_000_000)
            let old = try #require(daemon.process)
            let new = try daemon.start(["--config", daemon.file.path, "--take-over"])
            let isServing = await eventually { !new.isRunning || new.errors.contains(": serving") }
            try #require(isServing && new.isRunning, "\(new.errors)")
            try await body(daemon, old, new)
            #expect(await eventually { (try? daemon.get("/ready"))?.status == 200 })
            load.stop()
        }

        @Test func anOldProcessThatIsKilledLeavesTheNewOneServing() async throws {
            try await inTheMiddle { daemon, old, new in
                old.signal(SIGKILL)
                #expect(await eventually { new.errors.contains("is gone") || !new.isRunning })
                #expect(new.isRunning && new.errors.contains("is gone"), "\(new.errors)")
            }
        }

        @Test func anOldProcessThatIsToldToEndStillHandsOver() async throws {
            try await inTheMiddle { daemon, old, new in
                old.signal(SIGTERM)
                let exit = try old.wait(atMost: .seconds(30))
                #expect(exit == .status(0), "\(old.errors)")
                #expect(await eventually { new.errors.contains("taken over") || !new.isRunning })
                #expect(new.isRunning && new.errors.contains("taken over"), "\(new.errors)")
            }
        }

        @Test func aNewProcessThatIsToldToEndLeavesTheOldOneServing() async throws {
            try await inTheMiddle { daemon, old, new in
                new.signal(SIGTERM)
                #expect(await eventually { old.errors.contains("serving on") })
                // The second time it does not wait for what it had taken already.
                new.signal(SIGTERM)
                _ = try new.wait(atMost: .seconds(10))
                #expect(old.isRunning, "\(old.errors)")
            }
        }

        /// What the new process has no descriptors for stays with the old one until `drainTimeout`.
        @Test func aNewProcessWithoutRoomTakesWhatItCan() async throws {
            let daemon = try Daemon()
            let (acceptor, web) = (try Acceptor(), try freeAddress())
            try daemon.write(daemon.text(web: web, to: [acceptor.address], "drainTimeout: 4s"))
            try await daemon.startServing()
            let load = try StreamLoad(200, to: web, acceptor, interval: 100_000_000)
            let old = try #require(daemon.process)
            let new = try daemon.start(
                ["--config", daemon.file.path, "--take-over"], prefix: ["prlimit", "--nofile=200"])
            #expect(await eventually { old.errors.contains("a connection stays here") })
            #expect(await eventually { (try? daemon.metric("apus_connections_active")) == 36 })
            #expect(load.takeReport().faults.isEmpty)
            #expect(await eventually { new.errors.contains("taken over") })
            #expect(new.errors.contains("connections=36 reset=164"), "\(new.errors)")
            load.stop()
        }

        /// A new process that hangs: the old one takes back what it has offered, and all new connections.
        @Test func aNewProcessThatHangsLosesWhatItWasOffered() async throws {
            try await inTheMiddle { daemon, old, new in
                new.signal(SIGSTOP)
                defer { new.signal(SIGKILL) }
                #expect(await eventually(within: .seconds(25)) { old.errors.contains("serving on") || !old.isRunning })
                #expect(old.isRunning, "\(old.errors)")
            }
        }
    }
}
