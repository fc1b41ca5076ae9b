import Glibc
import Loopback
import Model
import Testing

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
    }
}
